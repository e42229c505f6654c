"""A place with parties for end-to-end tests of the command `truce`."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TRUCE_BUILD", ROOT / "build"))
TRUCE = BUILD / "src/main/truce"


class Refused(Exception):
    def __init__(self, words, finished):
        super().__init__(f"{' '.join(map(str, words))}: {finished.returncode}\n{finished.stdout}\n{finished.stderr}")
        self.status = finished.returncode
        self.output = finished.stdout
        self.messages = finished.stderr


class Place:
    """A TRUCE_HOME of its own. Commands run without a terminal."""

    def __init__(self, prefix="truce-e2e-"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.home = self.folder / "home"
        self.passphrase = self.folder / "passphrase"
        self.passphrase.write_text("correct horse battery staple\n")

    def environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "ASAN_OPTIONS") if name in os.environ}
        return dict(kept, TRUCE_HOME=str(self.home), TRUCE_PASSPHRASE_FILE=str(self.passphrase))

    def run(self, *words, **environment):
        return subprocess.run([TRUCE, *map(str, words)], env=dict(self.environment(), **environment), cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              start_new_session=True, timeout=300)

    def truce(self, *words, **environment):
        """Standard output of a command that must succeed."""
        finished = self.run(*words, **environment)
        if finished.returncode != 0:
            raise Refused(words, finished)
        return finished.stdout

    def json(self, *words, **environment):
        return json.loads(self.truce(*words, "--json", **environment))

    def refusal(self, *words, **environment):
        """(exit status, reason) of a command that must be refused."""
        finished = self.run(*words, "--json", **environment)
        assert finished.returncode != 0, f"{words} succeeded"
        assert finished.stderr.splitlines()[-2].startswith("truce "), finished.stderr
        return finished.returncode, json.loads(finished.stdout)["error"]["why"]

    def card(self, party):
        return self.home / "parties" / party / "card.json"

    def fingerprint(self, party):
        return self.json("party", "show", "--party", party)["fingerprint"]

    def make_parties(self, *names):
        for name in names:
            self.truce("party", "init", name)
        for name in names:
            for other in names:
                if other != name:
                    self.truce("party", "trust", self.card(other), "--fingerprint", self.fingerprint(other), "--party", name)

    def remove(self):
        if (self.home / "stack").exists():
            self.run("down")
        shutil.rmtree(self.folder, ignore_errors=True)
