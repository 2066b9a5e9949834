"""``slae export`` and ``slae push``."""

import tempfile
from pathlib import Path

import click

from slae_lib.cli.options import PATH, choice, path
from slae_lib.support.errors import LabError


@click.command()
@path("--run", "Folder of a finished run.", required=True)
@path("--out", "Folder for the small copy.", required=True)
@choice("--precision", "fp16", ["fp16", "fp32"], "Of the stored generator.")
@click.option(
    "--onnx",
    is_flag=True,
    help="Also write generator.onnx: noise, metadata, and maps and gates that may be given.",
)
def export(run: Path, out: Path, precision: str, onnx: bool) -> None:
    """Copy a finished run without its checkpoints, small enough to be passed on, with a card."""
    from slae_lib.training.export import export_run

    written = export_run(run, out, half=precision == "fp16")
    if onnx:
        from slae_lib.explorer.onnx import export_onnx
        from slae_lib.training.checkpoint import load_generator

        generator = load_generator(out / "generator.safetensors")
        written.append(export_onnx(generator, out / "generator.onnx", half=precision == "fp16"))
    for file in written:
        click.echo(f"{file}  {file.stat().st_size / 1e6:.2f} MB")


@click.command()
@click.argument("run", type=PATH)
@click.argument("name")
@click.option("--public", is_flag=True, help="For everybody, and not for its owner alone.")
def push(run: Path, name: str, public: bool) -> None:
    """Share RUN on the Hugging Face Hub as NAME (OWNER/NAME): what slae export leaves of it.

    Look at that first, above all at its card. To fetch it: hf download NAME --local-dir FOLDER.
    """
    from huggingface_hub import HfApi

    from slae_lib.support.downloads import is_offline
    from slae_lib.training.export import export_run

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / run.resolve().name
        export_run(run, folder)
        try:
            if is_offline():
                raise OSError("SLAE_OFFLINE is set")
            name = HfApi().create_repo(name, private=not public, exist_ok=True).repo_id
            click.echo(HfApi().upload_folder(repo_id=name, folder_path=folder))
        except Exception as error:  # of its library, of the network, of the disk: by many names
            reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
            raise LabError(
                f"{name} could not be shared on the Hugging Face Hub ({reason}); check the name "
                "and the network, and with `hf auth login` who you are."
            ) from error
