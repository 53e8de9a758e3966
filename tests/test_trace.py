"""Traces and images as files: what is written comes back, and hostile files end in words."""

from __future__ import annotations

import base64
import io
import json
import random
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scripted import Studio, Verdict

from cotdemo.errors import UserError
from cotdemo.fields import THUMBNAIL, Nested, decode_image, encode_image
from cotdemo.run.codec import decode_event, encode_event
from cotdemo.run.events import (
    Checked,
    Critiqued,
    Event,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepDecoded,
    Winner,
)
from cotdemo.run.png import read_png_settings, write_png
from cotdemo.run.trace import MAX_BYTES, MAX_EVENTS, Trace
from cotdemo.search import search
from cotdemo.settings import Settings

PROMPT = "a photo of two red apples"
CREATED = "2025-01-31T12:00:00+00:00"


def say(question, number, path, step):
    if question == "outcome":
        return "yes" if number else "no"
    return "no" if (question, path) == ("potential", 1) or (question, step) == ("clarity", 0) else "yes"


def a_run(**settings):
    studio = Studio(say=say, check=lambda prompt, image: Verdict(False, False, "three apples , not two"))
    settings = {"paths": 3, "steps": 4, "seed": 1, "rounds": 1} | settings
    return list(search("parm++", studio, PROMPT, **settings))


@pytest.fixture(scope="module")
def trace():
    return Trace.of(a_run(), CREATED)


@pytest.fixture(scope="module")
def content(trace):
    return trace.to_json()


def changed(content, change):
    """The JSON of a trace after ``change`` has worked on its events."""
    tree = json.loads(content)
    change(tree["events"])
    return json.dumps(tree)


def place_of(events, kind):
    return next(place for place, event in enumerate(events) if event["type"] == kind)


def byte_wise(event):
    """An event as it comes back: a confidence is kept to one part in 255."""
    if isinstance(event, StepDecoded):
        return replace(event, confidence=tuple(round(value * 255) / 255 for value in event.confidence))
    return event


# -- there and back


def test_a_trace_holds_the_events_of_a_run_without_its_progress(trace):
    events = a_run()
    assert trace.events == tuple(
        event
        for event in events
        if not isinstance(event, Progress) and not (isinstance(event, Critiqued) and not event.done)
    )
    assert Trace.of(events).created.endswith("+00:00")


def test_what_is_written_comes_back(trace, content, tmp_path):
    again = Trace.from_json(content)
    assert again.created == CREATED
    assert again.events == tuple(byte_wise(event) for event in trace.events)
    assert again.events[-1].seconds == pytest.approx(trace.events[-1].seconds, abs=1e-3)
    trace.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == again
    assert Trace.from_json(again.to_json()) == again
    assert Trace.from_json(content.encode()) == again


def test_images_of_rounds_come_back_to_the_bit_and_those_of_steps_nearly(trace, content):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
    again = decode_event(encode_event(Winner(0, 1, (1,), 0.5, picture=noise)))
    assert (again.picture == noise).all()
    smooth = np.broadcast_to(np.linspace(0, 255, 64)[:, None, None], (64, 64, 3)).astype(np.uint8)
    again = decode_event(encode_event(StepDecoded(0, 0, 0, (1,), (), (1.0,), smooth)))
    assert np.abs(again.picture.astype(int) - smooth).mean() < 3
    for event in Trace.from_json(content).events:
        if isinstance(event, (StepDecoded, Winner)):
            assert event.picture.shape == (4, 4, 3)


def test_large_images_of_steps_become_thumbnails_and_winners_keep_their_size():
    image = np.zeros((512, 256, 3), np.uint8)
    step = decode_event(encode_event(StepDecoded(0, 0, 0, (1,), (), (1.0,), image)))
    assert step.picture.shape == (96, 48, 3)
    assert decode_event(encode_event(Winner(0, 0, (), None, picture=image))).picture.shape == (512, 256, 3)


def test_the_stream_can_leave_out_the_images_of_steps(trace):
    messages = [encode_event(event, images=False) for event in trace.events]
    assert {message["type"] for message in messages if "picture" in message} == {"RoundStarted", "Winner"}


def test_codes_masks_and_confidences_are_packed():
    event = StepDecoded(0, 2, 3, (5, 0, 258, *[7] * 7), (1, 8, 9), (0.0, 1.0, 0.5, *[1.0] * 7))
    message = encode_event(event)
    assert base64.b64decode(message["codes"])[:6] == bytes([5, 0, 0, 0, 2, 1])  # 16 bits, low byte first
    assert base64.b64decode(message["masked"]) == bytes([0b10, 0b11])  # position 0 is the lowest bit of the first byte
    assert base64.b64decode(message["confidence"])[:3] == bytes([0, 255, 128])
    assert decode_event(message) == byte_wise(event)
    with pytest.raises(UserError, match="one bit for each token"):
        decode_event(message | {"masked": pack([0b10, 0b11 | 1 << 7])})  # a bit of a token that is not there


def test_every_type_of_event_comes_back():
    image = np.full((8, 8, 3), 200, np.uint8)
    for event in [
        Progress("step 1 of 4"),
        Critiqued(1, "three apples", done=False),
        Checked(0, 1, True, False, ""),
        RoundStarted(1, "self-correct", "", image),
        Winner(0, 0, (0,), None),
        RunFinished(0, 0, 1.5, 1, 2, 3, 4),
    ]:
        assert decode_event(json.loads(json.dumps(encode_event(event)))) == event


@pytest.mark.parametrize(("paths", "steps"), [(8, 18)])
def test_a_run_of_8_paths_and_18_steps_of_64_tokens_stays_well_below_400_kb(paths, steps):
    rng = np.random.default_rng(0)
    events = [
        RunStarted(Settings.checked(PROMPT, paths=paths, steps=steps, seed=1), (8, 8), 1024, (64, 64)),
        RoundStarted(0, "base"),
    ]
    for step in range(steps):
        for path in range(paths):
            # two discs on plain ground, with the ripple of a decoder
            y, x = np.mgrid[:64, :64]
            image = np.full((64, 64, 3), 235.0)
            for _ in range(2):
                cx, cy = rng.integers(10, 54, 2)
                image[(y - cy) ** 2 + (x - cx) ** 2 < 90] = rng.integers(0, 256, 3)
            image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            codes = tuple(rng.integers(0, 1024, 64).tolist())
            events.append(StepDecoded(0, path, step, codes, (3, 4, 5), tuple(rng.random(64)), image))
    content = Trace.of(events).to_json()
    assert len(content) < 330_000
    assert len(Trace.from_json(content).events) == len(events)


def test_a_stopped_run_is_a_trace_too(trace):
    for length in range(1, len(trace.events)):
        stopped = Trace.from_json(Trace.of(trace.events[:length]).to_json())
        assert stopped.finished is None
        winners = [event for event in stopped.events if isinstance(event, Winner)]
        assert stopped.winner == (winners[-1] if winners else None)
    assert trace.finished == trace.events[-1]
    assert trace.winner.round == trace.finished.round == 1


def test_rows_tell_each_path_and_step(trace):
    rows = trace.to_rows()
    assert len(rows) == sum(isinstance(event, StepDecoded) for event in trace.events)
    by_place = {(row["round"], row["path"], row["step"]): row for row in rows}
    assert by_place[0, 1, 0]["clarity"] == "no"
    stopped = by_place[0, 1, 1]
    assert (stopped["clarity"], stopped["potential"], stopped["potential_p_no"]) == ("yes", "no", 0.8)
    assert stopped["pruned"] and (0, 1, 2) not in by_place
    final = by_place[0, 0, 3]
    assert (final["outcome"], final["outcome_p_yes"], final["correct"]) == ("no", 0.1, False)
    assert (final["clarity"], final["masked"], final["pruned"]) == (None, 0, False)
    assert [place for place, row in by_place.items() if row["winner"]] == [(0, 0, 3), (1, 0, 3)]
    assert by_place[0, 0, 0]["masked"] == 12
    assert by_place[0, 0, 0]["confidence"] == pytest.approx(0.4)


# -- hostile files


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        "{}",
        '{"format":"cotdemo-trace"}',
        '{"format":"cotdemo-trace","version":1,"created":"x","events":[]}',
        '{"format":"cotdemo-trace","version":1,"created":"x","events":[3]}',
        '{"format":"cotdemo-trace","version":1,"created":"x","events":[{}]}',
        '{"format":"cotdemo-trace","version":1,"created":"x","events":[{"type":["RunStarted"]}]}',
        '{"format":"cotdemo-trace","version":1,"created":"x","events":[{"type":"__class__"}]}',
        '{"format":"cotdemo-trace","version":1,"created":"\\u0000","events":[{}]}',
        b"\xff\xfe\x00",
        b"\x80\x04\x95\x00",
        '"\ud800"',
        "\ufeff{}",
    ],
)
def test_what_is_no_trace_is_refused(content):
    with pytest.raises(UserError):
        Trace.from_json(content)


def test_a_name_that_comes_twice_in_one_object_is_refused(content):
    """Of two values readers take different ones, so what one has checked another may not have seen."""
    for once, twice in (
        ('"version":1', '"version":1,"version":1'),
        ('"seed":1', '"seed":2,"seed":1'),
        ('"p_yes":', '"p_yes":0.5,"p_yes":'),
        ('"weights":{', '"weights":{"generator":"0123abcd","'[:-1]),
    ):
        assert once in content
        with pytest.raises(UserError, match="is named twice in one object"):
            Trace.from_json(content.replace(once, twice, 1))
    many = "{" + ",".join(f'"{number}":0' for number in range(200_000)) + ',"7":0}'
    with pytest.raises(UserError):
        Trace.from_json(many)


@pytest.mark.parametrize("version", [0, 2, "1", 1.0, True, None])
def test_another_version_is_refused_by_name(content, version):
    tree = json.loads(content) | {"version": version}
    with pytest.raises(UserError, match="reads version 1"):
        Trace.from_json(json.dumps(tree))


def test_size_depth_and_counts_are_bounded_before_parsing(tmp_path):
    for deep in ["[" * 30_000, '{"a":' * 30_000, "[" * 9 + "]" * 9]:
        with pytest.raises(UserError, match="too deep"):
            Trace.from_json(deep)
    for hostile in [
        "[" * 100_000,
        "[" + "[]," * 1_000_000 + "[]]",
        "[" + "0," * 3_000_000 + "0]",
        " " * (MAX_BYTES + 1),
        '"' + '\\"' * 3_000_000,
        "1" * 100_000,
        "1" * 30,
    ]:
        with pytest.raises(UserError):
            Trace.from_json(hostile)
        (tmp_path / "hostile.json").write_text(hostile)
        with pytest.raises(UserError):
            Trace.load(tmp_path / "hostile.json")


def test_images_are_bounded_by_what_they_take_in_memory(content, monkeypatch):
    """Flat ones take a hundred bytes in the file, and a few hundred times that once they are read."""
    url = encode_image(np.zeros((THUMBNAIL, THUMBNAIL, 3), np.uint8), THUMBNAIL, lossless=True)
    content = json.loads(content)
    steps = [event for event in content["events"] if event["type"] == "StepDecoded"]
    for event in steps:
        event["picture"] = url
    assert THUMBNAIL**2 * 3 > 100 * len(url)
    Trace.from_json(json.dumps(content))
    monkeypatch.setattr("cotdemo.run.trace.MAX_PIXELS", len(steps) * THUMBNAIL**2 * 3)  # and the winner's
    with pytest.raises(UserError, match="too much memory"):
        Trace.from_json(json.dumps(content))


def test_nothing_is_read_after_the_first_event_that_does_not_fit(content, monkeypatch):
    """Thousands that come twice took seconds to refuse: all were decoded before the second was looked at."""
    read = []
    monkeypatch.setattr("cotdemo.run.trace.decode_event", lambda event: read.append(event) or decode_event(event))
    for change, words, most in (
        (lambda events: events.extend([events[2]] * 9000), "comes twice", 9000),
        (lambda events: events.insert(2, events[0]), "Event 2 of this trace does not fit", 3),
        (lambda events: events.insert(0, events.pop()), "must begin with RunStarted", 1),
    ):
        read.clear()
        with pytest.raises(UserError, match=words):
            Trace.from_json(changed(content, change))
        assert len(read) <= min(most, len(json.loads(content)["events"]) + 1)


def test_brackets_in_a_text_are_no_depth(trace):
    words = 'nested [[[[[[[[[[ {{{{{{{{{{ "quoted" \\ words'
    events = [replace(event, text=words) if isinstance(event, Critiqued) else event for event in trace.events]
    again = Trace.from_json(Trace.of(events).to_json())
    assert [event.text for event in again.events if isinstance(event, Critiqued)] == [words]


def test_files_that_cannot_be_read_end_in_words(tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            Trace.load(path)


def test_more_events_than_any_run_has_are_refused(content):
    with pytest.raises(UserError):
        Trace.from_json(changed(content, lambda events: events.extend([{}] * MAX_EVENTS)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-0.1", "1.1", "true", '"0.5"', "[0.5]"])
def test_probabilities_are_finite_numbers_from_0_to_1(content, number):
    events = json.loads(content)["events"]
    p_yes = json.dumps(events[place_of(events, "Judged")]["p_yes"])
    assert f'"p_yes":{p_yes}' in content
    with pytest.raises(UserError):
        Trace.from_json(content.replace(f'"p_yes":{p_yes}', f'"p_yes":{number}', 1))


def pack(data):
    return base64.b64encode(bytes(data)).decode()


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("RunStarted", "prompt", "x" * 301),
        ("RunStarted", "prompt", ""),
        ("RunStarted", "prompt", "a\x00b"),
        ("RunStarted", "prompt", "\ud800"),
        ("RunStarted", "paths", 10**30),
        ("RunStarted", "paths", 2),
        ("RunStarted", "steps", 3),
        ("RunStarted", "grid", [4]),
        ("RunStarted", "grid", [8, 8]),
        ("RunStarted", "codebook", 3),
        ("RunStarted", "codebook", 2**20),
        ("RunStarted", "backend", "/etc/passwd"),
        ("RunStarted", "weights", {"a": {"b": "c"}}),
        ("RunStarted", "weights", {str(i): "x" for i in range(99)}),
        ("RunStarted", "surprise", 1),
        ("RoundStarted", "round", 1),
        ("StepDecoded", "round", 1),
        ("StepDecoded", "path", 3),
        ("StepDecoded", "step", -1),
        ("StepDecoded", "codes", "not base64!"),
        ("StepDecoded", "codes", pack([0] * 31)),
        ("StepDecoded", "codes", pack([0] * 30)),
        ("StepDecoded", "codes", pack([255] * 32)),
        ("StepDecoded", "codes", pack([0] * 20_000)),
        ("StepDecoded", "codes", [1] * 16),
        ("StepDecoded", "masked", pack([0])),
        ("StepDecoded", "masked", pack([0, 0, 0])),
        ("StepDecoded", "confidence", pack([0] * 15)),
        ("StepDecoded", "confidence", None),
        ("StepDecoded", "picture", "data:image/svg+xml;base64,PHN2Zz4="),
        ("StepDecoded", "picture", "https://example.org/x.webp"),
        ("StepDecoded", "picture", None),
        ("Judged", "question", "why"),
        ("Judged", "answer", "maybe"),
        ("PathPruned", "path", 2.5),
        ("Winner", "survivors", [0, 31]),
        ("Winner", "survivors", list(range(99))),
        ("Winner", "codes", pack([0] * 2)),
        ("Winner", "path", 2.0001),
        ("Critiqued", "text", "x" * 2000),
        ("Critiqued", "done", False),
        ("Checked", "correct", 1),
        ("RunFinished", "seconds", -1),
        ("RunFinished", "round", 3),
        ("RunFinished", "path", 2),
        ("RunFinished", "judge_passes", 1.5),
    ],
)
def test_every_field_is_checked(content, kind, field, value):
    def change(events):
        events[place_of(events, kind)][field] = value

    with pytest.raises(UserError) as caught:
        Trace.from_json(changed(content, change))
    str(caught.value).encode()
    assert len(str(caught.value)) < 400


def test_missing_fields_are_refused_unless_they_have_a_default(content):
    for kind, field in [
        ("StepDecoded", "codes"),
        ("Judged", "answer"),
        ("RunStarted", "seed"),
        ("RunFinished", "path"),
    ]:
        with pytest.raises(UserError, match=field):
            Trace.from_json(changed(content, lambda events, k=kind, f=field: events[place_of(events, k)].pop(f)))
    assert Trace.from_json(changed(content, lambda events: [event.pop("picture", None) for event in events]))


@pytest.mark.parametrize(
    "change",
    [
        lambda events: events.pop(0),
        lambda events: events.pop(1),
        lambda events: events.insert(1, events[0]),
        lambda events: events.insert(3, events[2]),
        lambda events: events.append(events[place_of(events, "Winner")]),
        lambda events: events.append(events[place_of(events, "Judged")]),
        lambda events: events.append({"type": "Progress", "message": "hello"}),
        lambda events: events.reverse(),
        lambda events: events.append({**events[place_of(events, "RoundStarted")], "round": 3}),
        lambda events: events.__delitem__(slice(2, place_of(events, "Winner"))),
    ],
)
def test_events_that_do_not_fit_together_are_refused(content, change):
    with pytest.raises(UserError):
        Trace.from_json(changed(content, change))


def test_scripts_in_texts_are_kept_as_the_texts_they_are(trace):
    words = "<img src=x onerror=alert(1)> ${7*7} {{7*7}} </script>"
    events = [replace(event, text=words) if isinstance(event, Critiqued) else event for event in trace.events]
    events[0] = replace(events[0], settings=replace(events[0].settings, prompt=words))
    again = Trace.from_json(Trace.of(events).to_json())
    assert again.started.settings.prompt == words


def webp(width=8, height=8, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def url(data):
    return "data:image/webp;base64," + pack(data)


def test_images_are_measured_before_they_are_decoded():
    giant_lossless, giant_lossy = bytearray(webp(lossless=True)), bytearray(webp())
    giant_lossless[21:25] = struct.pack("<I", 0x3FFF | 0x3FFF << 14)
    giant_lossy[26:30] = struct.pack("<HH", 16383, 16383)
    for data in (giant_lossless, giant_lossy, webp(97, 8), webp(8, 97)):
        with pytest.raises(UserError, match="pixels"):
            decode_image("picture", url(data), 96)


def test_animations_other_formats_and_damaged_images_are_refused():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    animated, png = io.BytesIO(), io.BytesIO()
    frames[0].save(animated, "WEBP", save_all=True, append_images=frames[1:])
    frames[0].save(png, "PNG")
    whole = webp()
    damaged = [animated.getvalue(), png.getvalue(), b"", b"RIFF", whole[:-2], whole + b"\0\0", whole[:30]]
    damaged.append(whole[:40] + b"\xff" * (len(whole) - 40))
    for data in damaged:
        with pytest.raises(UserError, match="picture"):
            decode_image("picture", url(data), 96)
    assert decode_image("picture", url(whole), 96).shape == (8, 8, 3)


def test_mutated_traces_raise_nothing_but_user_error(content):
    rng = random.Random(0)
    data = content.encode()
    refused = 0
    for _ in range(300):
        mutant = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            place = rng.randrange(len(mutant) or 1)
            action = rng.randrange(5)
            if action == 0:
                mutant[place : place + 1] = bytes([rng.randrange(256)])
            elif action == 1:
                del mutant[place : place + rng.randrange(1, 40)]
            elif action == 2:
                mutant[place:place] = rng.choice(
                    [b"[", b"{", b'"', b"\\", b"9" * 30, b"-", b"\\ud800", b"null,", b"\0"]
                )
            elif action == 3:
                other = rng.randrange(len(data))
                mutant[place : place + 20] = data[other : other + 20]
            else:
                del mutant[place:]
                mutant += b"]}" * rng.randrange(2)
        refused += raises_user_error(Trace.from_json, bytes(mutant))
    assert refused > 200


def test_mutated_values_raise_nothing_but_user_error(content):
    rng = random.Random(1)
    values = [
        None,
        True,
        -1,
        10**40,
        1e308,
        0.5,
        "",
        "x" * 5000,
        "\ud800",
        "yes",
        [],
        [[]],
        {},
        {"type": "Winner"},
        "AAAA",
    ]
    refused = 0
    for _ in range(300):
        tree = json.loads(content)
        event = rng.choice(tree["events"])
        event[rng.choice(list(event))] = rng.choice(values)
        refused += raises_user_error(Trace.from_json, json.dumps(tree))
    assert refused > 200


def test_mutated_images_raise_nothing_but_user_error():
    rng = random.Random(2)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for lossless in (True, False):
        data = base64.b64decode(encode_image(noise, 96, lossless).split(",")[1])
        for _ in range(150):
            mutant = bytearray(data)
            for _ in range(rng.choice([1, 3, 10])):
                mutant[rng.randrange(len(mutant))] = rng.randrange(256)
            raises_user_error(decode_image, "picture", url(mutant), 96)


def raises_user_error(function, *arguments):
    """Whether ``function`` refuses; another exception than UserError is not caught."""
    try:
        function(*arguments)
    except UserError as error:
        str(error).encode()
        return True
    return False


# -- PNG metadata

SETTINGS = Settings.checked("ein roter Apfel für Zoë 🍎", "parm", seed=5)
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)


def png_of(settings=SETTINGS, image=IMAGE):
    buffer = io.BytesIO()
    write_png(buffer, image, settings)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind, body):
    data = png_of()
    return data[:33] + chunk(kind, body) + data[33:]  # after the header


def test_a_png_carries_the_settings_of_its_run(tmp_path):
    write_png(tmp_path / "winner.png", IMAGE, SETTINGS)
    assert read_png_settings(tmp_path / "winner.png") == SETTINGS
    assert read_png_settings(io.BytesIO(png_of())) == SETTINGS
    assert (np.asarray(Image.open(tmp_path / "winner.png")) == IMAGE).all()


def test_a_png_of_another_program_carries_none(tmp_path):
    info = PngInfo()
    info.add_text("parameters", "something else")
    Image.fromarray(IMAGE).save(tmp_path / "other.png", pnginfo=info)
    with pytest.raises(UserError, match="no settings"):
        read_png_settings(tmp_path / "other.png")


def test_hostile_pngs_are_refused_and_nothing_is_decompressed():
    giant = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    bomb = zlib.compress(b"\0" * 30_000_000)
    valid = b"cotdemo\0" + json.dumps(SETTINGS.as_dict()).encode()
    for data in [
        b"",
        b"GIF89a",
        png_of()[:8],
        png_of()[:50],
        png_of()[:-12],
        png_of()[:8] + chunk(b"IHDR", giant) + png_of()[33:],
        png_of()[:8] + chunk(b"tEXt", valid) + png_of()[8:],
        with_chunk(b"tEXt", b"cotdemo\0" + b"x" * 20_000),
        with_chunk(b"tEXt", b"other\0" + b"x" * 20_000),
        with_chunk(b"zTXt", b"cotdemo\0\0" + bomb),
        with_chunk(b"iTXt", b"cotdemo\0\1\0\0\0" + bomb),
        with_chunk(b"tEXt", b"cotdemo\0{"),
        with_chunk(b"tEXt", b"cotdemo\0" + b"[" * 10_000),
        with_chunk(b"tEXt", b"cotdemo\0[]"),
        with_chunk(b"tEXt", b'cotdemo\0{"prompt":"a","prompt":"b"}'),
        with_chunk(b"tEXt", b'cotdemo\0{"prompt":"a","steps":NaN}'),
        with_chunk(b"tEXt", b'cotdemo\0{"prompt":"a","steps":' + b"9" * 9000 + b"}"),
        with_chunk(b"tEXt", b'cotdemo\0{"prompt":"a","backend":"/etc/passwd"}'),
        png_of()[:8] + struct.pack(">I4s", 2**32 - 1, b"tEXt"),
        png_of().replace(b"Apfel", b"Apfe1"),
    ]:
        with pytest.raises(UserError):
            read_png_settings(io.BytesIO(data))


def test_mutated_pngs_raise_nothing_but_user_error():
    rng = random.Random(3)
    for _ in range(300):
        mutant = bytearray(png_of())
        mutant[rng.randrange(len(mutant))] = rng.randrange(256)
        raises_user_error(read_png_settings, io.BytesIO(bytes(mutant[: rng.randrange(8, len(mutant) + 1)])))


def test_a_missing_png_ends_in_words(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_png_settings(tmp_path / "missing.png")


def test_none_of_this_needs_torch_or_gradio():
    code = "import sys, cotdemo.run.png; sys.exit(any(name in sys.modules for name in ('torch', 'gradio')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_written_schema_names_every_event_and_field():
    page = (Path(__file__).parents[1] / "docs" / "trace.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^\*\*(\w+)\*\*(.*?)(?=^\*\*|^## )", page, re.DOTALL | re.MULTILINE))
    kept = [kind for kind in get_args(Event) if kind is not Progress]
    assert set(sections) == {kind.__name__ for kind in kept}
    for kind in kept:
        rows = re.findall(r"^\| (`.*?) \|", sections[kind.__name__], re.MULTILINE)
        named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        assert named == list(_names(kind))


def _names(record):
    """The fields of an event; those of the settings stand among them."""
    for field in fields(record):
        kind = field.metadata["kind"]
        yield from _names(kind.type) if isinstance(kind, Nested) else [field.name]
