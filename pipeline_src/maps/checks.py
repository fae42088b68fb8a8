"""What all files of a folder show together: what 255 means, inverted maps, another scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from pipeline_src.calibrators.pixels import least_probability
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.masks import object_unclear
from pipeline_src.errors import UserError, few
from pipeline_src.labels import IGNORED
from pipeline_src.maps.files import Form, Pair, SavedMap, read_pairs
from pipeline_src.metrics.registry import value

# Type of maps -> a value, and what maps of this type probably hold if none of them exceeds it.
MEANINGS = {
    "uint8": (1, "decisions 0 and 1"),
    "uint16": (255, "8-bit values or percent"),
}
TOPS = {"uint8": 255, "uint16": 65535, "float": 1}  # type of maps -> the value of probability 1


class FolderCounts:
    """The counts of a folder of maps, and what its files show together.

    Attributes:
        clamps: the least probability whose logarithm is taken, by type of the maps: "uint8",
            "uint16" or "float".
        highest: largest value by type of the maps.
        values: (256,) pixels of binary masks by value; `examples` names a mask of each value.
        ignored: number of pixels that do not count.
        resized: stems of maps of another size than their mask.
        masks_digest: SHA-256 of the labels of all masks, in the order of the images, by which
            `compare` refuses folders of other masks; `count_folder` sets it.

    Args:
        form: of all maps. Volumes have the protocol `raw` only, and no S- and E-measure.
        whole_maps: whether the S- and E-measure of binary maps are also computed.
        weighted_f: whether the weighted F-measure is computed with these.
    """

    def __init__(
        self,
        form: Form,
        *,
        whole_maps: bool = False,
        weighted_f: bool = False,
    ):
        self.form = form
        self._accumulator = Accumulator(
            form.classes,
            protocols=PROTOCOLS[:1] if form.volumes else PROTOCOLS,
            whole_maps=whole_maps and not form.volumes,
            weighted_f=weighted_f,
        )
        self.clamps: dict[str, float] = {}
        self.highest: dict[str, float] = {}
        self.values = np.zeros(256, np.int64)
        self.examples: dict[int, str] = {}
        self.ignored = 0
        self.resized: list[str] = []
        self.masks_digest = ""

    def counts(self) -> dict[str, Counts]:
        """Return the counts by protocol, of the pixels that count in all maps that were added."""
        return self._accumulator.counts()

    def add_type(self, dtype: np.dtype) -> str:
        """Add the type of a map to `clamps`; return its name there."""
        kind = str(dtype) if dtype.kind == "u" else "float"
        self.clamps[kind] = least_probability(dtype)
        return kind

    def add(self, saved: SavedMap) -> None:
        """Count a map and its mask."""
        sample = saved.sample
        probability = sample.probability
        kind = self.add_type(probability.dtype)
        self.highest[kind] = max(self.highest.get(kind, 0), probability.max())
        self._accumulator.add(sample, self.clamps[kind])
        self.values += saved.mask_values
        for mask_value in np.flatnonzero(saved.mask_values).tolist():
            self.examples.setdefault(mask_value, str(saved.pair.mask))
        self.ignored += int(np.count_nonzero(sample.target == sample.ignore))
        if probability.shape != saved.probability.shape:
            self.resized.append(sample.id)

    def check(self) -> None:
        """Raise a UserError where the values of maps or masks do not show what they mean."""
        if not self.form.classes:
            self._check_mask_values()
            self._check_range()
        elif self.form.classes == 2 and self.form.ignore is None and self.ignored:
            second = self.counts()["raw"].classes[1]
            # No pixel has the label 1: 255, which is ignored, is probably the object.
            if not second.histogram.count[..., 1].any():
                raise UserError(
                    "the masks do not show what is an object",
                    found="0 and 255, but maps of two classes",
                    expected="class ids 0 and 1, and 255 for ignored pixels",
                    fix="save np.uint8(mask == 255) as PNG; --ignore 255 if it is no object",
                )

    def _check_mask_values(self) -> None:
        """Raise a UserError where the values of binary masks do not determine the object.

        All masks decide together: 0 and 255 or 0 and 1 are background and object, and the grays of
        soft edges are allowed. Values that may be class ids, or two objects, are unclear
        (`object_unclear`). So are masks of 0 and 255 if 255 is ignored: it is the object.
        """
        values = sorted(self.examples)  # that occur in the masks, without the ignored value
        top = max(values, default=0)
        below = self.values[1:top].any()
        void_is_object = self.form.ignore == 255 and self.ignored and top == 0
        if not (void_is_object or object_unclear(values)):
            return
        shown = [f"{mask_value} ({self.examples[mask_value]})" for mask_value in values]
        found = f"the values {few(shown, 5)} (floats up to 1 times 255)"
        fix = f"save np.uint8(255 * (mask == {'ID' if below else top})) as PNG"
        if below:
            fix += f"; if {top} marks ignored pixels: --ignore {top}"
        if void_is_object:
            found += " and 255, which --ignore 255 leaves out"
            fix = "leave out --ignore"
        raise UserError(
            "the masks do not show what is an object",
            found=found,
            expected="0 and 255, or 0 and 1, and another value for ignored pixels (class ids need "
            "maps of K classes)",
            fix=fix,
        )

    def _check_range(self) -> None:
        """Raise a UserError if all maps of an integer type have values too small for probabilities,
        as decisions and percent have (`MEANINGS`).
        """
        for kind, (limit, meaning) in MEANINGS.items():
            highest = self.highest.get(kind, 0)
            if 0 < highest <= limit:
                top = TOPS[kind]
                raise UserError(
                    f"the {kind} maps look like {meaning}: read as probabilities, all would be "
                    "nearly 0",
                    found=f"no value above {highest}",
                    expected=f"0 to {top} for probabilities from 0 to 1",
                    fix=f"save round({top} * probability), or floats as .npy if the values are so "
                    "small",
                )

    def warnings(self) -> list[str]:
        """Return a line for all that was corrected, had no effect, or is likely a mistake."""
        return [*self._corrections(), *self._likely_mistakes()]

    def _corrections(self) -> Iterator[str]:
        """Yield a line for maps that were resized, an --ignore without effect, gray masks, and
        classes without masks.
        """
        if self.form.no_object and self.form.classes:
            yield "without masks every pixel has class 0, the background"
        if self.resized:
            yield (
                f"{len(self.resized)} map(s) had another size than their mask and were resized "
                f"({few(self.resized, 3)})"
            )
        if self.form.ignore is not None and not self.ignored:
            yield f"no mask pixel has the value {self.form.ignore}, which --ignore names"
        gray = [mask_value for mask_value in self.examples if 0 < mask_value < 255]
        # Masks of 0 and 1 are no gray ones.
        if gray and gray != [1]:
            number = self.values[gray].sum()
            hint = ""
            if len(gray) == 1:
                hint = f": --ignore {gray[0]} leaves them out"
            yield f"{number} mask pixel(s) were neither 0 nor 255 and were cut at > 127{hint}"

    def _likely_mistakes(self) -> Iterator[str]:
        """Yield a line for images without a pixel that counts, maps that are 0, decisions, inverted
        or on another scale, and masks without an object or without background.
        """
        raw = self.counts()["raw"]
        histogram = raw.histogram
        if not raw.pixels:
            return
        void = np.array(raw.images.ids)[raw.images.column("pixels") == 0]
        if len(void):
            yield f"{len(void)} image(s) have no pixel that counts ({few(void)})"
        if max(self.highest.values()) == 0:
            yield "every map is 0 everywhere"
        # All pixels are in the level of doubt 0, at its beginning: their confidence is 1.
        elif raw.pixels == histogram.count[0].sum() and not histogram.position.any():
            yield (
                "the maps hold only 0 and 1, which are decisions and no probabilities: ECE is "
                "their share of errors"
            )
        objects = histogram.count[:, :, 1]  # pixels whose label is the object
        if raw.confusion is not None:
            objects = raw.confusion[1:]  # pixels whose label is another class than 0
        if not objects.any() and not self.form.no_object:
            yield "no mask has an object, only class 0 (background) and ignored pixels"
        if objects.any() and not self.form.classes:
            if objects.sum() == raw.pixels:
                yield "no pixel that counts is background: is --ignore the value of the background?"
            for kind, highest in self.highest.items():
                top = TOPS[kind]
                if 0 < highest <= top / 2:
                    yield (
                        f"no {kind} map has a value above {highest:g} of {top}, and the masks have "
                        f"objects: if {highest:g} or less stands for probability 1, the maps are "
                        f"in percent or on another scale; save {top} * probability"
                    )
        accuracy = value("accuracy", raw)
        if accuracy < 1 / (self.form.classes or 2):
            yield (
                f"the maps are right on {100 * accuracy:.1f} % of the pixels: are maps or masks "
                "inverted or swapped, or class ids in another order?"
            )


def count_folder(
    pairs: Sequence[Pair],
    form: Form,
    *,
    whole_maps: bool = False,
    weighted_f: bool = False,
) -> FolderCounts:
    """Return the counts of all pairs with the digest of their masks, after a check of what their
    values show together.

    Args:
        form: of all maps.
        whole_maps: whether S- and E-measure of binary maps are also computed.
        weighted_f: whether weighted F is computed with these.

    Raises:
        UserError: names all files that cannot be used, or what the values of all files leave open,
            such as which value of a mask is the object.
    """
    counted = FolderCounts(form, whole_maps=whole_maps, weighted_f=weighted_f)
    masks = sha256()
    # One byte per label, unless a class id (or K, the label of ignored pixels) needs more.
    label_type = np.min_scalar_type(form.classes or IGNORED)
    for saved in read_pairs(pairs, form):
        counted.add(saved)
        masks.update(np.ascontiguousarray(saved.target, label_type).data)
        del saved  # before the next one is read
    counted.masks_digest = masks.hexdigest()
    counted.check()
    return counted
