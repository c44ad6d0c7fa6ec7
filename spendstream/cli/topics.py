"""`spendstream topics`: the topics of the deployment, and a new epoch of them."""

import sys
from typing import Annotated

import typer

from spendstream import settings as configuration
from spendstream.cli.terminal import group, plainly
from spendstream.settings import ConfigurationError

app = group("Create the topics that are missing; with `rebuild`, copy them to another number of shards.")


@app.callback(invoke_without_command=True, no_args_is_help=False)
@plainly
def create(context: typer.Context) -> None:
    """Create the topics that are missing; with `rebuild`, copy them to another number of shards."""
    if context.invoked_subcommand is not None:
        return
    from processors.pipeline import changelogs  # noqa: PLC0415 - keeps other commands quick
    from spendstream.admin import ensure_topics  # noqa: PLC0415

    settings = configuration.load()
    created = ensure_topics(settings, changelogs(settings))
    typer.echo("\n".join(f"created {name}" for name in created) or "all topics are there")


@app.command("rebuild")
@plainly
def rebuild(
    epoch: Annotated[int | None, typer.Option(min=2, help="The new epoch; by default the next one.")] = None,
    shards: Annotated[int | None, typer.Option(min=1, max=1024, help="Its shards; by default as many as now.")] = None,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Only remove the topics of earlier epochs than the settings name.")
    ] = False,
) -> None:
    """Copy the recorded input to new topics, with another number of shards; nothing is published meanwhile."""
    from producers.sole import publishing  # noqa: PLC0415 - keeps other commands quick
    from spendstream import rebuild as copying  # noqa: PLC0415
    from spendstream import rebuilt  # noqa: PLC0415

    settings = configuration.load()
    if drop_old:
        if epoch is not None or shards is not None:
            raise ConfigurationError("--drop-old stands alone: the epoch that stays is the one that the settings name")
        for name in rebuilt.drop_old(settings):
            typer.echo(f"dropped {name}")
        return
    new = copying.new_epoch(settings, epoch, shards)
    with publishing(settings):
        for done in copying.rebuild(settings, new, _show_progress):
            left = (
                f", {done.left_out} cannot be read and are left out (they are among the dead letters)"
                if done.left_out
                else ""
            )
            typer.echo(f"{done.topic}: {done.read:,} messages read, {done.written:,} written{left}")
        old, copied = rebuilt.contents(settings), rebuilt.contents(new)
    wrong = rebuilt.differences(old, copied)
    if wrong:
        told = "\n  ".join(wrong)
        raise ConfigurationError(f"epoch {new.kafka.epoch} does not hold what the old one does:\n  {told}")
    typer.echo("both hold the same: " + ", ".join(f"{count:,} {what}" for what, count in sorted(copied.counts.items())))
    typer.echo(
        f"now set SPENDSTREAM_KAFKA__EPOCH={new.kafka.epoch} and SPENDSTREAM_KAFKA__SHARDS={new.kafka.shards} for "
        "every service, and start them again; when all is well: spendstream topics rebuild --drop-old"
    )


def _show_progress(topic: str, read: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{topic}: {read:,} of {total:,}" + ("\n" if read == total else ""))
        sys.stderr.flush()
