"""roster help and roster version."""

import click


@click.command("help")
@click.argument("command", nargs=-1)
@click.pass_context
def help_command(context: click.Context, command: tuple[str, ...]) -> None:
    """Show the help of COMMAND.

    \b
    roster help
    roster help users list
    """
    target = context.find_root()
    for name in command:
        group = target.command
        subcommand = group.get_command(target, name) if isinstance(group, click.Group) else None
        if subcommand is None:
            raise click.UsageError(f"No such command '{name}'.", target)
        target = click.Context(subcommand, target, name)
    click.echo(target.get_help())


@click.command()
@click.pass_context
def version(context: click.Context) -> None:
    """Print the version of Roster."""
    from importlib.metadata import version as version_of

    click.echo(f"{context.find_root().info_name}, version {version_of('roster-directory')}")
