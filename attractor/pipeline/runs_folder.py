"""Where a new run has its place, unless another one is asked for."""

from pathlib import Path

from attractor.base.files import write_whole
from attractor.pipeline.world import World


def in_runs_folder(run_id: str, world: World) -> Path:
    """Return the place of a run; a runs folder that we make is none of git's business."""
    if not world.runs_dir.exists():
        world.runs_dir.mkdir(parents=True)
        write_whole(world.runs_dir / ".gitignore", "*\n")
    return world.runs_dir / run_id
