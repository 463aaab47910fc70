"""Commands, their options, and how errors leave the program."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from groundplan.errors import GroundplanError

__all__ = ["main"]

EPILOG = """\b
Exit codes:
  0    done
  1    the answer is no: infeasible, a target missed, verification failed
  2    the call is wrong
  3    the data is wrong
  4    stopped early by Ctrl-C; where a plan was written, it is valid
  5    the machine said no: disk full, no permission, out of memory
  70   a fault of groundplan itself; the trace is printed, please report it
  130  ended at once by a second Ctrl-C; nothing was written
"""

#: Of everything that ``--json`` prints; grows by keys only.
FORMAT = "groundplan-cli/1"
STOPPED = "stopped at once; nothing more was written"


def act(name: str) -> Callable[..., Any]:
    """Return an action by name; actions load numbers and files only when they run."""
    function: Callable[..., Any] = getattr(importlib.import_module("groundplan.cli.action"), name)
    return function


def run(name: str, *, as_json: bool, debug: bool, **options: Any) -> None:
    """Run an action, print what it returns, and leave with its exit code."""
    try:
        result, text, code = act(name)(**options)
    except GroundplanError as error:
        if debug:
            raise
        fail(error.as_dict(), str(error), error.exit_code, as_json=as_json)
    except KeyboardInterrupt:
        fail(told("Stopped", STOPPED, 130), STOPPED, 130, as_json=as_json)
    except (OSError, MemoryError) as error:
        if debug:
            raise
        text = str(error) if isinstance(error, OSError) else "out of memory; try a larger --cell"
        fail(told(type(error).__name__, text, 5), text, 5, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the trace is printed, and 1 means another thing
        traceback.print_exc()
        text = f"groundplan itself failed ({type(error).__name__}); please report the trace above"
        fail(told(type(error).__name__, text, 70), text, 70, as_json=as_json)
    if not as_json:
        click.echo(text)
    elif name == "schema":
        # a JSON Schema is a document of its own form
        echo_json(result)
    else:
        echo_json({"format": FORMAT, "command": name.replace("_", " "), **result})
    if code:
        sys.exit(code)


def echo_json(data: object) -> None:
    """Print data as JSON on standard output."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def told(kind: str, message: str, code: int) -> dict[str, Any]:
    """Return an error as data, in the form of `GroundplanError.as_dict`."""
    return {"error": kind, "message": message, "exit_code": code}


def fail(data: dict[str, Any], text: str, code: int, *, as_json: bool) -> NoReturn:
    """Tell an error, as data on standard output or as text on standard error, and leave."""
    if as_json:
        echo_json({"format": FORMAT, **data})
    else:
        click.echo(f"error: {text}", err=True)
    sys.exit(code)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has."""
    command = click.option("--debug", is_flag=True, help="Show the full trace of an error.")(
        command
    )
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
    )(command)


def planning(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the commands that plan."""
    for option in (
        click.option("--quiet", is_flag=True, help="No progress on standard error."),
        click.option("--resume", is_flag=True, help="Go on from where a stopped run ended."),
        click.option(
            "--gap", type=click.FloatRange(0, 0.5), help="Stop improving at this proven gap."
        ),
        click.option(
            "--terrain",
            type=click.Path(path_type=Path),
            help="Heights of the ground: radio reach is cut where hills stand between.",
        ),
        click.option(
            "--cell",
            "cell_m",
            type=click.Choice(["1000", "500", "250", "100"]),
            help="Side of a cell in metres; default from the study.",
        ),
    ):
        command = option(command)
    return command


class Commands(click.Group):
    """The commands, with one line for a wrong call, as data where data is asked for."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run a command; see `click.Group.main`."""
        given = list(sys.argv[1:] if args is None else args)
        if not options.get("standalone_mode", True):
            return super().main(given, *rest, **options)
        try:
            code = super().main(given, *rest, **{**options, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(2)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "groundplan"
            words = " ".join(error.format_message().split()).removesuffix(".")
            text = f"{words}; see: {path} --help"
            fail(told("UsageError", text, 2), text, 2, as_json="--json" in given)
        except click.ClickException as error:
            fail(
                told("UsageError", error.format_message(), 2), error.format_message(), 2,
                as_json="--json" in given,
            )  # fmt: skip
        except click.Abort:
            fail(told("Stopped", STOPPED, 130), STOPPED, 130, as_json="--json" in given)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Plan, fund, deliver and prove a region's digital infrastructure.

    \b
    Start here:
      groundplan demo henan        plan the worked example; writes henan/
      groundplan new my-region     a study of your own to fill in
      groundplan region check people.tif    what a file of yours is
      groundplan check my-region/study.toml
      groundplan plan my-region/study.toml
      groundplan verify henan      check a plan without trusting who made it
    """


@main.command()
@click.argument("region", metavar="REGION", type=click.Choice(["henan"]))
@click.option("--out", type=click.Path(path_type=Path), help="Plan folder; default: the region.")
@planning
@shared
def demo(region: str, out: Path | None, as_json: bool, debug: bool, **options: Any) -> None:
    """Plan the worked example and write its plan folder with report.html.

    \b
    Example:
      groundplan demo henan --cell 1000
    """
    run("demo", as_json=as_json, debug=debug, region=region, out=out, **options)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--like", type=click.Choice(["henan", "blank"]), default="blank", show_default=True)
@shared
def new(folder: Path, like: str, as_json: bool, debug: bool) -> None:
    """Write a study to fill in: FOLDER/study.toml."""
    run("new", as_json=as_json, debug=debug, folder=folder, like=like)


@main.command()
@click.argument("study", type=click.Path(path_type=Path))
@shared
def check(study: Path, as_json: bool, debug: bool) -> None:
    """Check a study and the files it names; every error at once."""
    run("check", as_json=as_json, debug=debug, path=study)


@main.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Plan folder; default: plan beside it."
)
@planning
@shared
def plan(study: Path, out: Path | None, as_json: bool, debug: bool, **options: Any) -> None:
    """Plan a study and write its plan folder.

    Ctrl-C ends the run at its next check with the best plan so far; --resume goes on from there.
    """
    run("plan", as_json=as_json, debug=debug, path=study, out=out, **options)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File; default: FOLDER/report.html.")
@shared
def report(folder: Path, out: Path | None, as_json: bool, debug: bool) -> None:
    """Write the report of a plan folder again."""
    run("report", as_json=as_json, debug=debug, folder=folder, out=out)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@shared
def verify(folder: Path, as_json: bool, debug: bool) -> None:
    """Recompute every hash, sum, value and bound of a plan folder, without the solver."""
    run("verify", as_json=as_json, debug=debug, folder=folder)


@main.group()
def region() -> None:
    """Look at the geographic files of a region."""


@region.command("check")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--region", "key", default="henan", show_default=True, help="Key, or a folder.")
@click.option("--crs", help="Declared system: EPSG:4326, EPSG:4547, GCJ-02, BD-09 ...")
@click.option("--kind", default="count", show_default=True, help="Of a raster.")
@click.option("--unit", default="people", show_default=True, help="Of a raster.")
@click.option("--nodata", type=float, help="Of a raster: what stands for no value.")
@click.option("--sector", help="System of a register: its columns are checked too.")
@shared
def region_check(path: Path, as_json: bool, debug: bool, **options: Any) -> None:
    """Say what a file is and whether a plan can stand on it; every error at once.

    PATH is a region folder, a population raster, polygons of units or counties, a register of
    sites, or a file of OpenCelliD, OCPI or Open Charge Map.

    \b
    Example:
      groundplan region check masts.csv --crs GCJ-02 --sector mobile
    """
    run("region_check", as_json=as_json, debug=debug, path=path, **options)


@main.command()
@click.option("--markdown", is_flag=True, help="A page for readers instead of JSON Schema.")
@shared
def schema(markdown: bool, as_json: bool, debug: bool) -> None:
    """Print every key of study.toml: JSON Schema for an editor, or a page."""
    run("schema", as_json=as_json, debug=debug, markdown=markdown)


@main.command()
@shared
def sectors(as_json: bool, debug: bool) -> None:
    """List the systems that can be planned, and check that each keeps the contract."""
    run("sectors", as_json=as_json, debug=debug)


@main.command()
@shared
def version(as_json: bool, debug: bool) -> None:
    """Print the versions of groundplan and of what it stands on."""
    run("version", as_json=as_json, debug=debug)
