"""TOML files read into frozen structs; what is wrong in one is told with file, key, value and next step."""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from labkit.errors import CannotRun

T = TypeVar("T")

PLACE = re.compile(r"^(?P<fact>.*?)(?: - at `\$?(?P<place>[^`]*)`)?$", re.DOTALL)
UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]+)`")
MISSING = re.compile(r"Object missing required field `(?P<key>[^`]+)`")


def read_toml(path: Path, shape: type[T]) -> T:
    """Return the file as a `shape`, a msgspec struct that forbids unknown fields; a .json file may hold the same.

    Raises CannotRun naming the file, the key, the value seen and what to write instead.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise CannotRun(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CannotRun(f"{path}: not {path.suffix[1:].upper() or 'TOML'}: {error}; correct that line") from error
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise CannotRun(f"{path}: {explain(str(error), document, shape)}") from error


def explain(message: str, document: dict[str, Any], shape: Any) -> str:
    """Return msgspec's message with the offending value and the keys that are allowed at that place."""
    match = PLACE.match(message)
    fact, place = (match["fact"], match["place"] or "") if match else (message, "")
    key = place.lstrip(".")
    if unknown := UNKNOWN.match(fact):
        holder = value_at(document, place)
        value = holder.get(unknown["key"]) if isinstance(holder, dict) else None
        full = f"{key}.{unknown['key']}".lstrip(".")
        return f"unknown key {full} = {value!r}; allowed here: {', '.join(allowed_keys(shape, document, place))}"
    if missing := MISSING.match(fact):
        full = f"{key}.{missing['key']}".lstrip(".")
        return f"missing key {full}; add it"
    return f"{key} = {value_at(document, place)!r}: {fact}; correct that value"


def value_at(document: Any, place: str) -> Any:
    """Return what stands at a msgspec path such as `.objective[0].limit`; None where the path cannot be followed."""
    found = document
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", place):
        try:
            found = found[name] if name else found[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def allowed_keys(shape: Any, document: Any, place: str) -> list[str]:
    """Return the field names of the struct at a msgspec path inside `shape`; empty when there is none."""
    found: Any = msgspec.inspect.type_info(shape)
    here = ""
    for step, name in re.findall(r"(\.([^.\[\]]+)|\[\d+\])", place):
        here += step
        if name and isinstance(found, msgspec.inspect.StructType):
            found = next((field.type for field in found.fields if field.encode_name == name), None)
        else:
            found = getattr(found, "item_type", None)
        if isinstance(found, msgspec.inspect.UnionType):
            found = _member(found, value_at(document, here))
    if not isinstance(found, msgspec.inspect.StructType):
        return []
    names = [field.encode_name for field in found.fields]
    return sorted([*names, found.tag_field] if found.tag_field else names)


def _member(union: msgspec.inspect.UnionType, value: Any) -> Any:
    """Return the struct of a tagged union that the tag in `value` chooses."""
    structs = [one for one in union.types if isinstance(one, msgspec.inspect.StructType)]
    tags = value if isinstance(value, dict) else {}
    return next((one for one in structs if one.tag == tags.get(one.tag_field)), None)
