"""The command line: look at studies, export them, run a search, see a demonstration.

What is slow to import is imported by the command that needs it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from manyhands import __version__
from manyhands.errors import ManyhandsError

_SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
_INTERRUPTED = 130  # what shells call a program that Ctrl-C ended


class _Group(click.Group):
    """Shows the library's own errors as sentences."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # while a closed pipe can still be noticed in peace
        except ManyhandsError as error:
            raise click.ClickException(str(error)) from error
        return result


def _store_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--store",
        default="manyhands.db",
        show_default=True,
        envvar="MANYHANDS_STORE",
        show_envvar=True,
        help="The file that studies are kept in.",
    )


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="manyhands")
def main() -> None:
    """Hyperparameter search that keeps every worker busy."""


@main.command("list")
@_store_option()
def list_command(store: str) -> None:
    """List the studies of a store."""
    from manyhands.stores.reading import list_studies
    from manyhands.tables import print_studies

    studies = list_studies(store)
    if studies:
        print_studies(studies)
    else:
        click.echo(f"The store {store} has no studies yet.")


@main.command()
@click.argument("name")
@click.option("--top", default=10, show_default=True, type=click.IntRange(0), help="How many trials to show.")
@_store_option()
def show(name: str, top: int, store: str) -> None:
    """Show what came out of the study NAME, finished or not."""
    from manyhands.stores.reading import list_studies, load_history
    from manyhands.tables import print_study

    history = load_history(store, name)
    info = next(study for study in list_studies(store) if study.name == name)
    print_study(history, info, top)


@main.command()
@click.argument("name")
@click.argument("trial", type=int)
@_store_option()
def logs(name: str, trial: int, store: str) -> None:
    """Show what a TRIAL of the study NAME printed.

    Why it failed, and which attempts at it were lost, is said on standard error.
    """
    from manyhands.stores.reading import load_history, load_log

    found = next((t for t in load_history(store, name).trials if t.id == trial), None)
    if found is None:
        raise click.ClickException(f"The study {name!r} has no trial {trial}.")
    text = load_log(store, name, trial)
    click.echo(text, nl=bool(text) and not text.endswith("\n"))
    if not text:
        click.echo(f"Trial {trial} has printed nothing.", err=True)
    for cause in found.lost:
        click.echo(f"An attempt was lost: {cause}", err=True)
    if found.reason:
        click.echo(f"Trial {trial} is {found.state.value}: {found.reason}\n{found.traceback}", err=True, nl=False)


@main.command()
@click.argument("name")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values; what you get if nothing else is said.")
@click.option("--json", "form", flag_value="json", help="A list of objects.")
@click.option("--parquet", "form", flag_value="parquet", help="Needs --output, and pandas and pyarrow.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it.")
@_store_option()
def export(name: str, form: str | None, output: Path | None, store: str) -> None:
    """Write all trials of the study NAME, one row each."""
    from manyhands import tables
    from manyhands.stores.reading import load_history

    form = form or _SUFFIXES.get(output.suffix.lower() if output else "", "csv")
    if form == "parquet" and output is None:
        raise click.UsageError("--parquet is not text, and needs a file to go to: give --output FILE.")
    write = {"csv": tables.to_csv, "json": tables.to_json, "parquet": tables.to_parquet}[form]
    data = write(tables.export_rows(load_history(store, name)))
    if output is None:
        click.echo(data, nl=False)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"{output} could not be written: {error.strerror}.") from error


@main.command()
@click.argument("target", metavar="SCRIPT.py:OBJECTIVE")
@click.option("--space", "space_name", default="space", show_default=True, help="What the script calls its space.")
@click.option("--max-trials", type=int, help="End after so many trials, earlier runs included.")
@click.option("--workers", type=int, help="How many trials run at a time; one for each core if not given.")
@click.option("--sampler", default="auto", show_default=True, help="What proposes trials.")
@click.option(
    "--direction",
    type=click.Choice(["minimize", "maximize"]),
    multiple=True,
    default=["minimize"],
    show_default=True,
    help="What is better; given once for each of several objectives.",
)
@click.option("--seed", type=int, help="Same seed, same trials.")
@click.option("--timeout", "timeout_s", type=float, help="End after so many seconds.")
@click.option("--trial-timeout", "trial_timeout_s", type=float, help="Fail trials that take more seconds.")
@click.option(
    "--metric", multiple=True, help="The key of the objective's dict that is optimised; once for each objective."
)
@click.option("--splits", type=int, help="How many splits, such as folds, a trial has.")
@click.option("--name", help="The study's name; the objective's if not given. Run it again and it goes on.")
@_store_option()
def run(target: str, space_name: str, name: str | None, metric: tuple[str, ...], **settings: Any) -> None:
    """Search for the params that make an objective best.

    The objective and its space are taken from a script (train.py:objective) or a module (package.train:objective).
    """
    from manyhands.api import tune
    from manyhands.script import load_module, load_script, take

    where, colon, objective_name = target.rpartition(":")
    if not colon or not where or not objective_name:
        raise click.UsageError(f"{target!r} should be SCRIPT.py:OBJECTIVE or package.module:OBJECTIVE.")
    module = load_script(Path(where)) if where.endswith(".py") else load_module(where)
    objective, space = take(module, objective_name, where), take(module, space_name, where)
    study = tune(objective, space, name=name or objective_name, metric=metric or None, **settings)
    click.echo(study.summary())
    if study.was_interrupted:
        sys.exit(_INTERRUPTED)


@main.command()
@click.option("--connect", "connect_file", required=True, type=click.Path(path_type=Path), help="The connection file.")
@click.option("--workers", type=int, help="How many trials to run at a time; one for each core if not given.")
def worker(connect_file: Path, workers: int | None) -> None:
    """Work for a search on another machine, until it is over.

    That search was started with executor=mh.Remote(...) and wrote the connection file; bring it here by a safe way.
    """
    from manyhands.executors.host import Host
    from manyhands.executors.processes import Processes
    from manyhands.wire.channel import Connection

    while True:
        host = Host(Connection.read(connect_file), Processes(workers))
        reason = host.serve()
        if not host.may_return:
            break
        click.echo(f"This machine's workers begin anew, because {reason}.", err=True)
    click.echo(f"It is over: {reason}.")


@main.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="How many Spark workers it has.")
@click.option("--cores", default=1, show_default=True, type=click.IntRange(1), help="Cores of each worker.")
@click.option("--memory", default="1g", show_default=True, help="Memory of each worker, such as 600m or 2g.")
def cluster(workers: int, cores: int, memory: str) -> None:
    """Run a Spark cluster on this machine, for trying things out.

    It ends on Ctrl-C. Only this machine can reach it, but all its users can.
    """
    import shlex
    import signal
    from contextlib import suppress

    from manyhands.sparkcluster import LoopbackCluster

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    click.echo("Starting Spark; this takes some seconds.", err=True)
    with suppress(KeyboardInterrupt), LoopbackCluster(workers, cores, memory) as spark:
        click.echo(f"The Spark cluster {spark.url} is ready. Its page is {spark.ui_url}")
        click.echo(f"Workers: {workers}; cores of each: {cores}; memory of each: {memory}.")
        click.echo(f"\nSee it work:\n  manyhands demo --spark {spark.url}")
        click.echo("\nUse it from Python:")
        for name, value in spark.client_environment().items():
            click.echo(f"  export {name}={shlex.quote(value)}")
        click.echo(f'  SparkSession.builder.master("{spark.url}").config("spark.executor.memory", "{memory}")')
        click.echo("\nCtrl-C ends it.")
        spark.wait()
    click.echo("The cluster has ended.")


@main.command()
@click.option("--workers", type=int, help="How many trials run at a time; one for each core if not given.")
@click.option("--fresh", is_flag=True, help="Begin anew instead of going on.")
@click.option("--store", default="manyhands-demo.db", show_default=True, help="The file the study is kept in.")
@click.option("--spark", metavar="MASTER", help="Run on a Spark cluster, such as spark://127.0.0.1:7077.")
def demo(store: str, workers: int | None, fresh: bool, spark: str | None) -> None:
    """Tune models on real data, as a demonstration."""
    from manyhands.demo import main as run_demo

    run_demo(store=store, workers=workers, fresh=fresh, spark=spark)
