// Makes *.localhost this machine (RFC 6761), whatever the system's resolver thinks. Loaded with node --require.
const dns = require("node:dns");
const lookup = dns.lookup;
dns.lookup = (name, options, callback) => lookup(name.endsWith(".localhost") ? "localhost" : name, options, callback);
