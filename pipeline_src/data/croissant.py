"""Croissant metadata of a prepared data set: what is known of it, and its manifest as records.

Images and masks are not part of it: a record names them by their paths in the authors' archive and by their SHA-256.
Specification: Croissant 1.0, http://mlcommons.org/croissant/1.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline_src.data import manifest
from pipeline_src.data.entry import Entry
from pipeline_src.files import sha256, write_text

FILE = "croissant.json"
MANIFEST = "manifest.csv"
DATA_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float"}
COLUMNS = {
    "id": "Data set and stem.",
    "stem": "File name of image and mask without suffix.",
    "splits": "The splits that have the sample, each with the sample's position in it, as in `train:12 all:40`.",
    "image": "Path of the image in the data set.",
    "mask": "Path of the mask in the data set; empty for images without an object.",
    "height": "Pixels.",
    "width": "Pixels.",
    "foreground": "Share of the mask's pixels that show the object; of several classes, that are not void.",
    "grey": "Number of the mask's pixels that are neither 0 nor 255.",
    "sha256_image": "Of the image file.",
    "sha256_mask": "Of the mask file.",
}
TERMS = (
    "citeAs",
    "column",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in TERMS},
}


def write(entry: Entry, prepared: Path) -> Path:
    """Write the metadata beside the manifest of a prepared set; returns the file.

    Raises:
        UserError: the set was not prepared.
    """
    rows = manifest.read(prepared)
    text = json.dumps(metadata(entry, prepared / MANIFEST, len(rows)), indent=1, ensure_ascii=False)
    write_text(prepared / FILE, text + "\n")
    return prepared / FILE


def metadata(entry: Entry, file: Path, samples: int) -> dict[str, Any]:
    """The metadata, as JSON can hold it; what is not known is left out."""
    page = next((source.get for source in entry.sources.values() if source.get), None)
    about = [f"{samples:,} images for {entry.task}, as they were paired and verified.", entry.caption, *entry.faults]
    optional = {"citeAs": entry.citation, "license": entry.terms, "url": page}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": entry.name,
        "description": " ".join(filter(None, about)),
        **{key: value for key, value in optional.items() if value},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": MANIFEST,
                "name": MANIFEST,
                "description": "A row per image.",
                "contentUrl": MANIFEST,
                "encodingFormat": "text/csv",
                "sha256": sha256(file),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "key": {"@id": "samples/id"},
                "field": [_field(name, text) for name, text in COLUMNS.items()],
            }
        ],
    }


def _field(name: str, text: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"samples/{name}",
        "name": name,
        "description": text,
        "dataType": DATA_TYPES[manifest.TYPES[name]],
        "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": name}},
    }
