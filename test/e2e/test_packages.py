"""The Debian packages: built by the one command, and installed into a folder that debootstrap made, where they work."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMES = ("truce", "truce-attest", "truce-host", "truce-room", "truce-vault")
# What the packages depend on, so that they install without a network.
SYSTEM = ("libssl3", "libjansson4", "libcurl4", "libmicrohttpd12", "libsqlite3-0", "libseccomp2", "libstdc++6",
          "systemd-standalone-sysusers", "systemd-standalone-tmpfiles")
LONG = bool(os.environ.get("TRUCE_LONG"))

pytestmark = pytest.mark.skipif(not shutil.which("dh"), reason="debhelper is not installed")


def run(*words, **options):
    finished = subprocess.run([*map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    assert finished.returncode == 0, f"{words}: {finished.returncode}\n{finished.stdout[-4000:]}\n{finished.stderr[-4000:]}"
    return finished.stdout


def build(folder, *options):
    """Without --long the programs are not optimised and the packages not compressed: what is tested is the packaging."""
    environment = dict(os.environ, DEB_BUILD_OPTIONS=" ".join(options or ["noopt", "noautodbgsym", "parallel=2"]),
                       TRUCE_DEB_COMPRESSION="-Znone" if not options else "-Zgzip -z1")
    run(ROOT / "tools/packages", folder, env=environment)
    return {name: next(folder.glob(f"{name}_*.deb")) for name in NAMES}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return build(tmp_path_factory.mktemp("packages"))


def fields(package, *names):
    return [run("dpkg-deb", "-f", package, name).strip() for name in names]


def test_each_program_is_in_its_package(packages):
    listing = {name: {line.split()[5]: line.split() for line in run("dpkg-deb", "-c", package).splitlines()}
               for name, package in packages.items()}
    for name, path in (("truce", "./usr/bin/truce"), ("truce", "./usr/libexec/truce/truce-seal-engine"),
                       ("truce-host", "./usr/bin/truce-host"), ("truce-host", "./etc/truce/host.conf"),
                       ("truce-host", "./lib/systemd/system/truce-host.service"), ("truce-vault", "./usr/bin/truce-vault"),
                       ("truce-vault", "./lib/systemd/system/truce-vault@.service"), ("truce-attest", "./usr/bin/truce-attest"),
                       ("truce-room", "./usr/libexec/truce/truce-room"), ("truce-room", "./usr/libexec/truce/libduckdb.so")):
        assert path in listing[name], (name, path)
    every = [path for paths in listing.values() for path in paths if not path.endswith("/")]
    assert len(every) == len(set(every)), "two packages have the same file"
    assert all(row[1] == "root/root" for paths in listing.values() for row in paths.values())


def test_dependencies_are_those_of_the_programs(packages):
    for name, wanted, unwanted in (
            ("truce", ("truce-room (=", "libssl3", "libcurl4"), ("libmicrohttpd", "libsqlite3")),
            ("truce-host", ("libmicrohttpd12", "libsqlite3-0"), ("truce-room", "libseccomp2", "libstdc++6")),
            ("truce-room", ("libseccomp2", "libstdc++6"), ("libcurl4", "libmicrohttpd", "libsqlite3")),
            ("truce-vault", ("libmicrohttpd12", "libsqlite3-0"), ("libseccomp2",)),
            ("truce-attest", ("libmicrohttpd12",), ("libsqlite3", "libseccomp2"))):
        [depends] = fields(packages[name], "Depends")
        assert all(word in depends for word in wanted), depends
        assert not any(word in depends for word in unwanted), depends


def test_the_library_is_the_pinned_one(packages, tmp_path):
    run("dpkg-deb", "-x", packages["truce-room"], tmp_path)
    installed = (tmp_path / "usr/libexec/truce/libduckdb.so").read_bytes()
    pinned = (ROOT / ".deps/duckdb/libduckdb.so").read_bytes()
    assert hashlib.sha256(installed).digest() == hashlib.sha256(pinned).digest()


def mirror():
    """The mirror and release that this machine's apt is configured with."""
    rows = run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages")
    for row in rows.splitlines():
        origin, _, codename, component, uri = row.split("|")
        if origin == "Debian" and component == "main" and "-" not in codename:
            return uri, codename
    return "http://deb.debian.org/debian", "bookworm"


def base_archive():
    """An archive of a minimal system, made once."""
    archive = ROOT / ".deps/debootstrap/base.tar"
    list_file = archive.with_suffix(".list")
    uri, codename = mirror()
    content = "\n".join((uri, codename, *SYSTEM))
    if archive.exists() and list_file.exists() and list_file.read_text() == content:
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    folder = archive.parent / f"root.{os.getpid()}"
    made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(SYSTEM)}", codename, folder, uri],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if made.returncode != 0:
            pytest.skip(f"debootstrap cannot make a system here: {made.stdout.strip().splitlines()[-1:]}")
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
        run("tar", "-C", folder, "-cf", f"{archive}.{os.getpid()}", ".")
        os.replace(f"{archive}.{os.getpid()}", archive)
        list_file.write_text(content)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return archive


@pytest.fixture(scope="module")
def root(packages, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("making a system in a folder needs root")
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed")
    folder = tmp_path_factory.mktemp("root")
    folder.chmod(0o755)
    run("tar", "-C", folder, "-xf", base_archive())
    (folder / "packages").mkdir()
    for package in packages.values():
        shutil.copy(package, folder / "packages")
    inside(folder, "dpkg -i /packages/*.deb")
    return folder


def inside(root, script):
    """Runs a script in the system, in namespaces of its own, so that nothing that it starts or mounts outlives it."""
    start = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && exec chroot {root} /bin/sh -euc \"$1\""
    return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-euc", start, "sh", script,
               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}, timeout=300)


def test_installing_makes_users_folders_and_enables_units(root):
    text = inside(root, "stat -c '%n %U %G %a' /var/lib/truce-*; id truce-room; ls /etc/systemd/system/multi-user.target.wants; "
                        "cat /var/lib/dpkg/info/truce-*.conffiles")
    for name in ("host", "vault", "attest", "room"):
        assert f"/var/lib/truce-{name} truce-{name} truce-{name} 700" in text
    assert "(truce-host)" in re.search(r"uid=.*", text)[0]
    assert "truce-host.service" in text and "truce-attest.service" in text
    assert "truce-room.service" not in text and "truce-vault" not in text.split("uid=")[1].split("/etc")[0]
    assert "/etc/truce/host.conf\n/etc/truce/room.conf" in text


def test_every_program_says_what_it_is(root):
    text = inside(root, "for p in truce truce-host truce-vault truce-attest; do $p --version; done; "
                        "for p in /usr/libexec/truce/truce-*; do $p --version; done")
    names = re.findall(r"^(truce\S*) \d+\.\d+\.\d+\n(?:commit [0-9a-f]{40}(?:\+changes)?|commit unknown)\n"
                       r"compiler gcc .+\nengine duckdb .+$", text, flags=re.M)
    assert sorted(names) == sorted(["truce", "truce-host", "truce-vault", "truce-attest", "truce-identity", "truce-query",
                                    "truce-room", "truce-room-launch", "truce-room-sim", "truce-seal-engine", "truce-sim-chip",
                                    "truce-simulation-init", "truce-template-engine"])
    digest = hashlib.sha256((root / "usr/libexec/truce/truce-room").read_bytes()).hexdigest()
    assert f"sha256 {digest}  truce-room\n" in text


def test_services_are_made_from_their_configuration(root):
    text = inside(root, """
for file in host attest room; do truce config check /etc/truce/$file.conf; done
truce config check /usr/share/doc/truce-vault/examples/vault-example.conf
sed 's/example/bank/' /usr/share/doc/truce-vault/examples/vault-example.conf >/etc/truce/vault/bank.conf
become() { user=$1; shift; setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"; }
become truce-host truce-host init --config /etc/truce/host.conf
become truce-attest truce-attest init --config /etc/truce/attest.conf
become truce-vault truce-vault init --config /etc/truce/vault/bank.conf
become truce-vault truce-vault serve --config /etc/truce/vault/bank.conf --port-file /var/lib/truce-vault/port &
for i in $(seq 100); do [ -s /var/lib/truce-vault/port ] && break; sleep 0.1; done
cat /var/lib/truce-vault/port
ls /var/lib/truce-host /var/lib/truce-attest /var/lib/truce-vault/bank
""")
    assert "\n8445\n" in text and "host.json" in text and "authority.json" in text and "vault.json" in text


JOB = """
export TRUCE_HOME=/root/truce TRUCE_PASSPHRASE_FILE=/root/passphrase
echo 'correct horse battery staple' >$TRUCE_PASSPHRASE_FILE; chmod 600 $TRUCE_PASSPHRASE_FILE
truce up --party bank --party shop
truce party init bank; truce party init shop
cards=$TRUCE_HOME/parties
print() { truce party show --fingerprint --party "$1"; }
truce party trust $cards/shop/card.json --fingerprint "$(print shop)" --party bank
truce party trust $cards/bank/card.json --fingerprint "$(print bank)" --party shop
(echo id,region; for i in $(seq 1 60); do echo $i,north; done) >/root/customers.csv
(echo customer,amount; for i in $(seq 1 60); do echo $i,$((i * 10)); done) >/root/purchases.csv
truce dataset seal customers /root/customers.csv --entity id --min-entities 10 --upload --party bank
truce dataset seal purchases /root/purchases.csv --entity customer --min-entities 10 --upload --party shop
cat >/root/spec.json <<'END'
{"title": "Spending by region", "parties": ["bank", "shop"],
 "datasets": [{"table": "customers", "folder": "/root/truce/parties/bank/datasets/customers/1"},
              {"table": "purchases", "folder": "/root/truce/parties/shop/datasets/purchases/1"}],
 "queries": [{"name": "spending", "max_rows": 10, "parameters": [],
   "sql": "SELECT c.region AS region, count(*) AS n, sum(p.amount) AS total FROM customers AS c JOIN purchases AS p ON c.id = p.customer GROUP BY c.region"}],
 "queriers": ["bank"], "recipients": ["bank"], "days": 5}
END
truce contract draft /root/spec.json --out /root/contract.json --party bank
for party in bank shop; do truce contract sign /root/contract.json --yes --grant /root/grant.$party.json --party $party; done
for party in bank shop; do truce contract publish /root/contract.json --grant /root/grant.$party.json --party $party; done
run=$(truce run /root/contract.json spending --wait --json --party bank | sed -n 's/.*"run": "\\([^"]*\\)".*/\\1/p')
truce result open $run --accept-simulated --party bank
truce status
truce down
"""


def test_a_job_runs_from_the_packages(root):
    text = inside(root, JOB)
    assert re.search(r"^north,60,18300$", text, flags=re.M), text[-3000:]


def test_purging_leaves_keys_and_nothing_else(root):
    inside(root, "mkdir -p /var/lib/truce-vault/bank; touch /var/lib/truce-vault/bank/master.key; "
                 "dpkg -P truce truce-host truce-room truce-vault truce-attest")
    assert (root / "var/lib/truce-vault/bank/master.key").exists()
    left = [path for folder in ("usr/bin", "usr/libexec", "lib/systemd/system", "etc/truce", "usr/share/man/man1", "usr/share/man/man8")
            for path in (root / folder).glob("**/*truce*") if not path.is_dir()]
    assert left == []
    assert not (root / "etc/truce/host.conf").exists()


@pytest.mark.skipif(not LONG, reason="optimised packages, twice, and lintian: make test-long")
def test_packages_are_reproducible_and_lintian_has_nothing_to_say(tmp_path):
    first = build(tmp_path / "one", "parallel=2")
    second = build(tmp_path / "another/folder", "parallel=2")
    for name in NAMES:
        assert first[name].read_bytes() == second[name].read_bytes(), name
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    assert run("lintian", "--allow-root", "--no-cfg", "--fail-on", "error,warning", *first.values()) == ""
