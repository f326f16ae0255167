"""The command line: run the dialer, its worker and its sandbox, and use them."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from dialer import follow, migrations
from dialer.inbound.commands import numbers
from dialer.livekits.commands import livekit
from dialer.routing.for_doctor import PROVIDED
from dialer.settings import ClientSettings, DatabaseSettings, Settings, TokenSettings, load
from dialer.tenants.keys import Keys
from dialer.tenants.tokens import Tokens
from dialer.terminal import Tenant, fail, first_line, in_database, out, whole
from telephony.call import DEFAULT_TENANT
from trunks.cli import app as trunks

app = typer.Typer(
    help="A telephony gateway: POST /calls, a phone rings, and an AI agent holds the talk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(livekit, name="livekit")
app.add_typer(numbers, name="numbers")
app.add_typer(trunks, name="trunks")


@app.callback()
def _for_every_command(context: typer.Context) -> None:  # pyright: ignore[reportUnusedFunction]
    # `dialer trunks` writes what it made where calls are routed by it, and its doctor reads there.
    context.obj = PROVIDED


_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def _become(module: str, arguments: list[str]) -> NoReturn:
    # The process is replaced: its signals and its exit status are the module's own.
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


@app.command(context_settings=_ANY_ARGUMENTS)
def up(context: typer.Context) -> None:
    """Run the sandbox: the whole gateway with a simulated carrier, on this machine."""
    _become("sandbox", context.args)


@app.command(context_settings=_ANY_ARGUMENTS)
def worker(context: typer.Context) -> None:
    """Run a worker, which holds the talks."""
    _become("agent", context.args)


@app.command()
def api(
    loops: Annotated[bool, typer.Option(help="Also dispatch, record and reap here.")] = True,
) -> None:
    """Serve the API."""
    from dialer.serve import serve_api

    serve_api(load(Settings), loops=loops)


@app.command()
def loops() -> None:
    """Dispatch, record and reap, without the API."""
    from dialer.serve import serve_loops

    serve_loops(load(Settings))


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    url = load(DatabaseSettings).database_url
    try:
        before = migrations.current(url)
        migrations.upgrade(url)
    except migrations.NewerDatabase as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(f"The database cannot be migrated: {first_line(error)}")
    head = migrations.head()
    out.print(f"The database is at {head}." if before == head else f"Migrated to {head}.")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="For people to tell keys apart.")] = "cli",
    tenant: Tenant = DEFAULT_TENANT,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
) -> None:
    """Make a key and print it: this once, it is stored as a hash."""
    life = None if days is None else timedelta(days=days)
    made = in_database(lambda tx: Keys(tx, tenant).create(name, now=datetime.now(UTC), life=life))
    typer.echo(made.secret)


@keys.command("list")
def list_keys(tenant: Tenant = DEFAULT_TENANT) -> None:
    """List the keys."""
    table = Table(whole("id"), "name", "begins with", "made", "expires", "revoked")
    for key in in_database(lambda tx: Keys(tx, tenant).list()):
        table.add_row(
            key.id,
            key.name,
            f"{key.prefix}…",
            *(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (key.created_at, key.expires_at)),
            f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
        )
    out.print(table)


@keys.command("revoke")
def revoke_key(key_id: str, tenant: Tenant = DEFAULT_TENANT) -> None:
    """End a key at once."""
    in_database(lambda tx: Keys(tx, tenant).revoke(key_id, now=datetime.now(UTC)))
    out.print("The key is revoked.")


def _tokens() -> tuple[Tokens, TokenSettings]:
    settings = load(TokenSettings)
    secret = settings.token_secret.get_secret_value()
    return Tokens(secret, now=lambda: datetime.now(UTC)), settings


@app.command("worker-token")
def worker_token(worker_id: list[str]) -> None:
    """Print for each id the token with which that worker reports itself (its WORKER_TOKEN)."""
    tokens, _ = _tokens()
    for worker in worker_id:
        typer.echo(tokens.mint_worker_token(worker))


@app.command("console-link")
def console_link(tenant: Tenant = DEFAULT_TENANT) -> None:
    """Print a link that signs a browser in to the test page, once."""
    tokens, settings = _tokens()
    typer.echo(f"{settings.base_url}/console/login?token={tokens.mint_link(tenant)}")


@app.command()
def docs() -> None:
    """Write the generated parts of the documentation again."""
    _become("docs.generate", [])


@app.command()
def doctor() -> None:
    """Check versions, ports, keys, Redis, LiveKit, workers and the trunk, and say what to do."""
    # It knows every server's library, which takes a second to load.
    from dialer.doctor import examine

    raise typer.Exit(examine(load(Settings), out))


def _client() -> httpx.Client:
    settings = load(ClientSettings)
    url, key = settings.dialer_url.split(",")[0].strip(), settings.dialer_api_key.get_secret_value()
    sandbox = Path(".sandbox") / "sandbox.json"
    if not (url and key) and sandbox.is_file():
        found: dict[str, Any] = json.loads(sandbox.read_text(encoding="utf-8"))
        url, key = url or found["api_url"], key or found["api_key"]
    if not (url and key):
        fail(
            "Set DIALER_URL and DIALER_API_KEY (dialer keys create), or start the sandbox "
            "(dialer up) in this folder.",
            2,
        )
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=20)


def _answer(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        return answer.json()
    try:
        problem = answer.json()
        fail(f"{problem['code']}: {problem['detail']} {problem.get('hint', '')}".strip())
    except (ValueError, KeyError):
        fail(f"The API answered {answer.status_code}.")


def _variables(pairs: list[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        fail(f"Write variables as name=value, not {wrong[0]}.", 2)
    return dict(pair.split("=", 1) for pair in pairs)


@app.command()
def call(
    number: Annotated[str, typer.Argument(help="Whom to call, in E.164: +14155550100.")],
    agent: Annotated[str, typer.Option(help="Name of the agent.")] = "default",
    caller_id: Annotated[str | None, typer.Option(help="The number to call from.")] = None,
    var: Annotated[list[str] | None, typer.Option(help="A variable, name=value.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the final record only.")] = False,
) -> None:
    """Place a call and follow it to its end; Ctrl-C hangs up.

    The exit status is 0 for a completed call and 1 for any other outcome.
    """
    order: dict[str, Any] = {
        "phone_number": number,
        "agent": agent,
        "variables": _variables(var or []),
    }
    if caller_id is not None:
        order["caller_id"] = caller_id
    try:
        with _client() as client:
            ended = _place_and_follow(client, order, quiet=as_json)
    except httpx.HTTPError as error:
        fail(f"The API cannot be reached: {first_line(error)}")
    if as_json:
        typer.echo(json.dumps(ended, indent=2))
    raise typer.Exit(0 if ended["outcome"] == "completed" else 1)


def _place_and_follow(
    client: httpx.Client, order: dict[str, Any], *, quiet: bool
) -> dict[str, Any]:
    placed = _answer(client.post("/calls", json=order))
    console = Console(quiet=quiet)
    console.print(f"[dim]{placed['id']}[/]")
    try:
        return follow.show(console, client, placed)
    except KeyboardInterrupt:
        console.print("[dim]hanging up[/]")
        client.post(placed["links"]["hangup"])
        return follow.to_the_end(client, placed)


def _with_whom(one: dict[str, Any]) -> str:
    if one["direction"] == "inbound":
        return f"from {one['caller_id'] or 'a hidden number'}"
    return one["phone_number"] or one["call_type"]


@app.command()
def calls(
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    status: Annotated[str | None, typer.Option(help="Only calls of this status.")] = None,
) -> None:
    """List the newest calls."""
    wanted = {"limit": limit} | ({"status": status} if status else {})
    try:
        with _client() as client:
            found = _answer(client.get("/calls", params=wanted))["calls"]
    except httpx.HTTPError as error:
        fail(f"The API cannot be reached: {first_line(error)}")
    table = Table("queued", "number", "status", "outcome", "reason", "seconds", whole("id"))
    for one in found:
        table.add_row(
            one["timestamps"]["queued_at"][11:19],
            _with_whom(one),
            one["status"] + (f" ({one['waiting_for']})" if one["waiting_for"] else ""),
            one["outcome"] or "",
            one["ended_reason"] or "",
            "" if one["duration_seconds"] is None else f"{one['duration_seconds']:.1f}",
            one["id"],
        )
    out.print(table)
