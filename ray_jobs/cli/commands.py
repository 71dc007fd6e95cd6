"""Commands of `faceml`, in the order of `faceml --help`, and their entry point."""

import sys

import typer

from ray_jobs.cli.models import evaluate, evaluate_landmarks, export, predict
from ray_jobs.cli.system import doctor, init, submit
from ray_jobs.cli.tables import export_json, extract, forget, import_, synth
from ray_jobs.cli.training import demo, train, transfer, tune
from ray_jobs.cluster import exit_at_errors, interrupt_at_signals, set_up_log

app = typer.Typer(
    help="From a folder of faces to landmarks, a multitask backbone and face recognition.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(init)
app.command("import")(import_)
app.command()(synth)
app.command()(extract)
app.command("export-json")(export_json)
app.command()(train)
app.command()(tune)
app.command()(transfer)
app.command()(demo)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(submit)
app.command()(evaluate)
app.command("evaluate-landmarks")(evaluate_landmarks)
app.command()(predict)
app.command()(export)
app.command()(doctor)
app.command()(forget)


def main(*command: str) -> None:
    """Run the command line.

    Args:
        *command: Arguments inserted before those of the process.
    """
    set_up_log()
    with exit_at_errors(), interrupt_at_signals():
        app(args=[*command, *sys.argv[1:]], prog_name="faceml")
