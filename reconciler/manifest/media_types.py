"""Media types by file name: a table of our own, because the machine's differs from machine to machine."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "application/octet-stream"

MEDIA_TYPES: Final = {
    "7z": "application/x-7z-compressed",
    "arrow": "application/vnd.apache.arrow.file",
    "avro": "application/avro",
    "bz2": "application/x-bzip2",
    "csv": "text/csv",
    "feather": "application/vnd.apache.arrow.file",
    "flac": "audio/flac",
    "geojson": "application/geo+json",
    "gif": "image/gif",
    "gz": "application/gzip",
    "htm": "text/html",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ndjson": "application/jsonl",
    "ogg": "audio/ogg",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "sqlite": "application/vnd.sqlite3",
    "svg": "image/svg+xml",
    "tab": "text/tab-separated-values",
    "tar": "application/x-tar",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "xz": "application/x-xz",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}


def media_type_of(file_name: str) -> str:
    """The media type that a file's ending stands for."""
    stem, _, ending = file_name.rpartition("/")[2].rpartition(".")
    return MEDIA_TYPES.get(ending.lower(), UNKNOWN) if stem else UNKNOWN
