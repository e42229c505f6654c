#include "party/command/advice.h"

#include <string.h>

static const struct {
    const char *prefix;
    const char *advice;
} rows[] = {
    {"bundle.",
     "The contract's datasets do not fit together. Ask their owners for the manifest and policy that the "
     "contract pins, or draft it anew."},
    {"bundle.policy",
     "A dataset's policy does not allow what the contract asks, or is not the one that it pins. The "
     "owner may seal with another policy; then draft the contract anew."},
    {"bundle.read.column",
     "A query reads a column that the owner's policy does not list. Change the query, or ask the "
     "owner to allow the column."},
    {"card.",
     "This is not a valid party card. Ask the party for the card.json of `truce party show --card`."},
    {"card.not_signed_by_known_key",
     "The name is in your address book with another key, and that key did not sign this "
     "card. Talk to the party before you trust it; remove trusted/NAME.json if the key "
     "was lost."},
    {"connection.authority.missing",
     "Connect to an attestation authority first: truce party connect authority.json"},
    {"connection.courier",
     "courier.json is for the operator of the host: truce-host connect DIR courier.json"},
    {"connection.host.missing",
     "Connect to a host first: truce party connect host.json (made by truce-host init; "
     "`truce up` does it for you)."},
    {"connection.simulation.missing",
     "Connect first: truce party connect simulation.json (made by truce-room-sim init)."},
    {"connection.vault.missing",
     "Connect to your vault first: truce party connect vault.json (made by truce-vault init)."},
    {"connection.vault.other_party",
     "This vault.json was made for another party. Use your own vault's file."},
    {"connection.", "This is not a connection file that Truce knows, or a member of it is wrong."},
    {"contract.expired", "The contract has ended. Draft and sign a new one."},
    {"contract.not_yet_valid", "The contract's validity has not begun."},
    {"contract.party.fingerprint",
     "The contract names this party with a key that is not the one in your address book. Do "
     "not sign; ask who made the contract."},
    {"contract.party.unknown",
     "The party is not in your address book (or not in the contract). Compare its fingerprint over "
     "another channel: truce party trust FILE --fingerprint sha256:…"},
    {"contract.signature.missing",
     "Not every party has signed. `truce contract verify` shows who; join signatures with "
     "`truce contract merge`."},
    {"contract.", "The contract is not well-formed or not properly signed; the reason names the member."},
    {"dataset.", "See `truce dataset --help`."},
    {"draft.", "Correct the specification at the place named; `truce contract draft --help` describes it."},
    {"file.access", "The file may not be read or written by you."},
    {"file.exists", "Remove it or choose another name."},
    {"file.no_space", "The disk is full."},
    {"file.not_found", "Check the path."},
    {"setting.file.", "Check the path of the configuration file and that you may read it."},
    {"setting.", "Correct the line named; man truce.conf lists every key."},
    {"grant.",
     "The grant does not belong to this contract and owner. Use the file that `truce contract sign` wrote."},
    {"host.", "The host did not do it. `truce status` shows whether it runs."},
    {"http.client.certificate",
     "The server's certificate does not fit the connection file: it is another server, or was set "
     "up anew. Get its new connection file."},
    {"http.client.",
     "The service does not answer. `truce status` shows what runs; `truce up` starts a local stack."},
    {"job.failed", "The run ended with the one constant execution error; its cause is not told to anybody."},
    {"jws.", "The document is not a valid signed document of this kind, or was changed."},
    {"json.", "The file is not the JSON document that is expected here; the place is named."},
    {"jwe.not_a_recipient", "The result was not encrypted to this party, or to a key that it no longer has."},
    {"key.passphrase", "The passphrase does not open the key."},
    {"keystore.exists", "This party exists already; `truce party show` prints it."},
    {"keystore.mismatch",
     "Key and card do not belong together. Restore the party from a backup: truce party restore FILE"},
    {"option.", "See --help."},
    {"passphrase.mismatch", "The two passphrases differ. Try again."},
    {"process.missing", "The programs of Truce are looked for beside `truce` and where they are installed."},
    {"receipt.simulated",
     "The receipt is of a simulated TEE, which isolates nothing. --accept-simulated accepts that."},
    {"receipt.", "The receipt does not verify. Do not use the result."},
    {"run.", "The run request is not one that this contract allows; the reason names the rule."},
    {"spec.", "Correct the specification at the place named; `truce contract draft --help` describes it."},
    {"sql.", "The query's text is refused by the vetter; change it."},
    {"stack.room.changed",
     "The room's programs are not the ones that this stack's simulation was made for (they were built anew). "
     "Contracts name the former code. Begin a new stack: truce down, remove TRUCE_HOME/stack, truce up."},
    {"stack.service.silent", "Start what is stopped: truce up"},
    {"stack.", "The log of each service is TRUCE_HOME/stack/run/NAME.log."},
    {"trust.entry", "The file in the address book does not verify. Remove it and trust the party anew."},
    {"trust.fingerprint.mismatch",
     "The card is not of the party whose fingerprint you were told. Do not trust it; ask again "
     "over another channel."},
    {"trust.fingerprint.missing",
     "Ask the party for its fingerprint over another channel (telephone, in person), then: "
     "truce party trust FILE --fingerprint sha256:…"},
    {"trust.key.other_name", "This key is in your address book under another name."},
    {"trust.self", "This card has your own name. A party trusts itself already."},
    {"vault.",
     "The vault did not do it. Check that the connection file is of your own vault and that it runs."},
};

const char *advice_for(struct result result)
{
    const char *advice = result_code_advice(result.code);
    size_t best = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t size = strlen(rows[i].prefix);
        if (size > best && strncmp(result.why, rows[i].prefix, size) == 0) {
            best = size;
            advice = rows[i].advice;
        }
    }
    return advice;
}
