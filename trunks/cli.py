"""`dialer trunks`: plan, apply, verify, doctor, destroy and import."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Annotated

import typer

from trunks import importing, showing
from trunks.destroy import destruction, take_down
from trunks.doctor.command import doctor
from trunks.exits import Exit
from trunks.faults import Fault
from trunks.looking import look, planned, wanted_by
from trunks.number_commands import numbers
from trunks.options import AsJson, FilePath, IKnow, Yes
from trunks.plan import plan as compare
from trunks.resources import Remarking
from trunks.session import Session, run
from trunks.steps import Action, Plan
from trunks.verify import drift

app = typer.Typer(
    help="Trunks and numbers: what trunks.yaml wants, made so at carriers and in LiveKit.",
    no_args_is_help=True,
)

app.add_typer(numbers, name="numbers")
app.command()(doctor)

Renew = Annotated[
    bool, typer.Option("--renew-secrets", help="Send passwords again: no far end tells them.")
]


def _declined(session: Session, plan: Plan) -> Exit:
    session.tell(showing.plan_json(plan))
    return Exit.CHANGES


def _show(session: Session, plan: Plan) -> None:
    if session.as_json:
        session.tell(showing.plan_json(plan))
    else:
        showing.show_plan(session.out, plan)


@app.command("plan")
def plan_command(
    context: typer.Context,
    file: FilePath = None,
    as_json: AsJson = False,
    i_know: IKnow = False,
    renew: Renew = False,
) -> None:
    """Show what apply would do, and change nothing."""

    async def work(session: Session) -> Exit:
        plan = await planned(
            session.desired, session.adapters, patience=session.patience, renew_secrets=renew
        )
        _show(session, plan)
        return Exit.CHANGES if plan.pending else Exit.DONE

    run(work, context, file=file, as_json=as_json, i_know=i_know)


@app.command("apply")
def apply_command(
    context: typer.Context,
    file: FilePath = None,
    as_json: AsJson = False,
    yes: Yes = False,
    i_know: IKnow = False,
    renew: Renew = False,
) -> None:
    """Make everything as the file wants it; asks before anything is deleted."""

    async def work(session: Session) -> Exit:
        plan = await planned(
            session.desired, session.adapters, patience=session.patience, renew_secrets=renew
        )
        if not session.as_json:
            showing.show_plan(session.out, plan)
        doomed = plan.count(Action.DELETE)
        if doomed and not session.agreed(f"Delete {doomed} of ours?", yes=yes):
            return _declined(session, plan)
        return await session.carry_out(plan)

    run(work, context, file=file, as_json=as_json, i_know=i_know)


@app.command()
def verify(
    context: typer.Context, file: FilePath = None, as_json: AsJson = False, i_know: IKnow = False
) -> None:
    """Say in what carriers and LiveKit are no longer as the file wants them."""

    async def work(session: Session) -> Exit:
        plan = await planned(session.desired, session.adapters, patience=session.patience)
        sentences = drift(plan)
        remarks = await _remarks(session)
        session.warn(remarks)
        told = {"drift": sentences, "remarks": [showing.fault_json(one) for one in remarks]}
        session.tell({**told, **showing.plan_json(plan)})
        if not session.as_json:
            for sentence in sentences or ["All is as the file wants it."]:
                session.out.print(sentence, markup=False, highlight=False, soft_wrap=True)
        return Exit.CHANGES if sentences else Exit.DONE

    run(work, context, file=file, as_json=as_json, i_know=i_know)


async def _remarks(session: Session) -> list[Fault]:
    remarks = [
        await session.patience.insist(partial(adapter.remarks, session.desired))
        for adapter in session.adapters
        if isinstance(adapter, Remarking)
    ]
    return session.file.located(chain.from_iterable(remarks))


@app.command()
def destroy(
    context: typer.Context,
    file: FilePath = None,
    as_json: AsJson = False,
    yes: Yes = False,
    i_know: IKnow = False,
) -> None:
    """Delete all that has our mark, once the operator agrees; numbers stay in the account."""

    async def work(session: Session) -> Exit:
        plan = destruction(await look(session.adapters, session.patience))
        if not session.as_json:
            showing.show_plan(session.out, plan)
        question = f"Delete all {len(plan.pending)} of {session.desired.deployment}?"
        if plan.pending and not session.agreed(question, yes=yes):
            return _declined(session, plan)
        return await session.carry_out(plan, by=take_down)

    run(work, context, file=file, as_json=as_json, i_know=i_know)


@app.command("import")
def import_command(
    context: typer.Context,
    pair: Annotated[
        list[str] | None,
        typer.Argument(help="kind/name=id, as trunk/main=TK0123: what cannot be told by itself."),
    ] = None,
    file: FilePath = None,
    as_json: AsJson = False,
    yes: Yes = False,
    i_know: IKnow = False,
) -> None:
    """Adopt what exists: give our mark to what the file describes and somebody made by hand."""
    named = dict(one.split("=", 1) for one in pair or [] if "=" in one)
    if len(named) != len(pair or []):
        raise typer.BadParameter("Write kind/name=id, as trunk/main=TK0123.")

    async def work(session: Session) -> Exit:
        found = await look(session.adapters, session.patience)
        wanted = wanted_by(session.desired, session.adapters)
        try:
            adopting = importing.adoptions(wanted, found, named)
        except importing.NoSuchPair as error:
            raise typer.BadParameter(str(error)) from None
        plan = importing.only_adopting(compare(wanted, found, adopting=adopting))
        if not session.as_json:
            showing.show_plan(session.out, plan)
            showing.show_unmarked(session.out, plan.unmarked)
        if not plan.pending:
            session.tell(showing.plan_json(plan))
            return Exit.DONE
        if not session.agreed(f"Adopt {len(plan.pending)}?", yes=yes):
            return _declined(session, plan)
        return await session.carry_out(plan)

    run(work, context, file=file, as_json=as_json, i_know=i_know)
