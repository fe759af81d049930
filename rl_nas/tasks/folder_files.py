"""Files of a folder of the user's: images and what belongs to them, by split, never outside of the folder."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from rl_nas.child.data.broken_images import read_headers
from rl_nas.child.data.image_header import IMAGE_TYPES, ImageHeader
from rl_nas.errors import UsageError
from rl_nas.names import shown_names
from rl_nas.regular_files import read_regular_text

SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Names of folders that are splits, not parts of one."""

IMAGES = "images"
"""Name of a folder of images that has another one beside it."""

_CALLED = {"training": "train", "testing": "test"}
"""Name of a folder -> its split, where it is called otherwise."""

_HIDDEN = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")
"""Names, in lower case, of what systems leave beside files, other than those that begin with a dot."""

_KINDS = 6
"""Kinds of files that a line names."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not the user's, but something that a system or an editor has left."""
    return name.startswith(".") or name.lower() in _HIDDEN


def split_called(name: str) -> str | None:
    """The split that a folder is for by its name, such as `train2017` for train; None: it is called otherwise."""
    plain = name.rstrip("0123456789").lower()
    return _CALLED.get(plain, plain) if plain in SPLITS else None


def kind_of_file(name: str) -> str:
    """What a file is counted as that is no image."""
    return os.path.splitext(name)[1].lower() or "without an extension"


def kinds_text(kinds: Mapping[str, int]) -> str:
    """Counts of kinds of files, the most frequent ones first: `3 .csv, 1 .txt`."""
    most = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    return shown_names([f"{count:,} {kind}" for kind, count in most], _KINDS)


def split_folders(root: Path, beside: str) -> dict[str, tuple[Path, Path]] | None:
    """The folders of images and of their targets of each split, by its name, or of all, by an empty name.

    Args:
        root: the folder that holds them.
        beside: name of the folder of targets beside `images`.

    Returns:
        None: there are no such folders.

    Raises:
        UsageError: there are folders of images both above and below those of splits.
    """
    images, targets = root / IMAGES, root / beside
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not is_hidden(path.name)]
    above = {path.name: (path / IMAGES, path / beside) for path in folders}
    above = {name: folders for name, folders in above.items() if any(folder.is_dir() for folder in folders)}
    if not (images.is_dir() and targets.is_dir()):
        complete = any(folders[0].is_dir() and folders[1].is_dir() for folders in above.values())
        return above if complete else None
    if above:
        raise UsageError(f"{root} has {IMAGES} both in itself and in {', '.join(above)}; expected one of them")
    return {"": (images, targets)}


def splits_within(
    root: Path, folders: dict[str, tuple[Path, Path]], tell: Callable[[str], None]
) -> dict[str, tuple[Path, Path]]:
    """The same by split, where splits are folders within those of images and of targets too.

    Args:
        root: the folder that holds them.
        folders: of `split_folders`.
        tell: called with a line on what is left out, and on folders that may have been meant as splits.

    Raises:
        UsageError: two folders are of one split.
    """
    if "" not in folders:
        return {split: folders[name] for split, name in _split_names(root, sorted(folders)).items()}
    images, targets = folders[""]
    within = [path for folder in (images, targets) for path in sorted(folder.iterdir()) if not is_hidden(path.name)]
    names = sorted({path.name for path in within if path.is_dir()})
    splits = _split_names(root, names)
    if not SPLITS.intersection(splits):
        if names:
            tell(f"{root}: folders that are no splits: {len(names)}, such as {images / names[0]}; all are for training")
        return {"train": (images, targets)}
    tell_left([str(path) for path in within if not path.is_dir()], f"{root}: files beside the folders of splits", tell)
    return {split: (images / name, targets / name) for split, name in splits.items()}


def _split_names(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Splits -> folders that are called so, such as train2017 for train; others are called as they are."""
    found: dict[str, str] = {}
    for name in names:
        split = split_called(name) or name
        if split in found:
            raise UsageError(f"{root} has folders {found[split]} and {name} for split {split}; expected one for each")
        found[split] = name
    return found


def files_below(folder: Path, others: list[str], types: Collection[str] = IMAGE_TYPES) -> list[tuple[str, Path]]:
    """Files below a folder, sorted, by their paths from there.

    Args:
        folder: its subfolders are searched too, unless they are links or hidden; it may be absent.
        others: gets the paths of files of other types, and of links to folders.
        types: endings of the names; images by default.

    Raises:
        UsageError: a folder cannot be read.
    """
    found, left = [], [folder] if folder.is_dir() else []
    while left:
        files, subfolders = _listed(left.pop())
        left += reversed([path for path in subfolders if not path.is_symlink()])
        others += [str(path) for path in subfolders if path.is_symlink()]  # which may be a circle
        for path in files:
            if path.suffix.lower() in types:
                found.append((path.relative_to(folder).as_posix(), path))
            else:
                others.append(str(path))
    return found


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files and the folders in a folder, sorted, without hidden ones."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            shown = sorted((entry for entry in entries if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}; its files would be missing") from error
    for entry in shown:
        (folders if is_folder(entry) else files).append(folder / entry.name)
    return files, folders


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is one, or a link to one; a link that is a circle is a file that cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def check_inside(file: Path, root: Path) -> None:
    """Raises `UsageError` for a link out of a folder: what a data set brings must not lead to other files."""
    if not Path(os.path.realpath(file)).is_relative_to(
        os.path.realpath(root)
    ):  # resolve fails where links are a circle
        raise UsageError(f"{file} is a link out of the folder {root}; put the file itself there")


def check_links(links: Iterable[str], root: str, *, trust: bool) -> list[str]:
    """A line on links out of a folder, if there are any, for folders where those to other images are usual.

    Args:
        links: files and folders in it that are links.
        root: the folder.
        trust: whether links may lead out of it.

    Raises:
        UsageError: some do, and are not trusted: they could lead to any image on the machine.
    """
    inside = os.path.join(os.path.realpath(root), "")
    out = [link for link in links if not os.path.realpath(link).startswith(inside)]
    if not out:
        return []
    told = f"{root}: links out of the folder: {len(out):,}, such as {out[0]}"
    if not trust:
        raise UsageError(f"{told}; put the files themselves there (cp -rL), or give --trust to follow them")
    return [f"{told}; followed"]


def headers_inside(
    files: Iterable[Path], root: Path, read: Callable[[Sequence[Path]], list[ImageHeader]] = read_headers
) -> list[ImageHeader]:
    """The headers of images, in their order.

    Args:
        files: of the images.
        root: the folder that they must not lead out of.
        read: reads them.

    Raises:
        UsageError: one does, or some are no images; it names all of these.
    """
    files = list(files)
    for file in files:
        check_inside(file, root)
    return read(files)


def read_names(file: Path, root: Path) -> list[str]:
    """The first word of each line of a list of images.

    Args:
        file: the list.
        root: the folder that it must not lead out of.

    Raises:
        UsageError: it cannot be read, or has an entry that is not the name of a file within a folder.
    """
    check_inside(file, root)
    try:
        lines = read_regular_text(file).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); expected a name of an image in each line") from error
    names = [words[0] for words in map(str.split, lines) if words]
    for name in names:
        if name != Path(name).name or name.startswith(".") or "\\" in name or "\0" in name:
            raise UsageError(f"{file} has an entry {name[:60]!r}; expected names of images, without a folder")
    twice = len(names) - len(set(names))
    if twice:
        raise UsageError(f"{file} names {twice} images more than once; expected each once")
    return names


def tell_left(names: Sequence[str], what: str, tell: Callable[[str], None]) -> None:
    """Tells how many files are left out, if any are, with the first of them."""
    if names:
        tell(f"{what}: {len(names)}, such as {names[0]}; left out")


def tell_kinds(names: Sequence[str], root: Path, tell: Callable[[str], None]) -> None:
    """Tells how many files are no images, if any are, by their kinds, with the first of them."""
    if names:
        tell(f"{root}: left out what is no image: {kinds_text(Counter(map(kind_of_file, names)))}, such as {names[0]}")
