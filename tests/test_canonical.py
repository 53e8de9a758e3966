"""What is typed and what is read: one form of a prompt for generator, judge, checker, trace and link."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import tiny_mini
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_double import Double
from scripted import Studio
from transformers import AutoTokenizer

import cotdemo.backends
from cotdemo import cli
from cotdemo.backends import MINI, ReleasedBackend
from cotdemo.errors import UserError
from cotdemo.geneval.prompts import CLASSES, COLOURS, plural
from cotdemo.run.events import RunFinished, RunStarted
from cotdemo.run.png import read_png_settings
from cotdemo.run.trace import Trace
from cotdemo.search import reflect, search
from cotdemo.settings import MAX_PROMPT, METHODS
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.handlers import Handlers
from cotdemo.world import splits
from cotdemo.world.prompts import canonical, lessened, parse
from cotdemo.world.scenes import MOST
from cotdemo.world.words import PROMPT_WORDS, judge_tokenizer, prompt_tokenizer

TYPED = {
    "Two red apples.": "a photo of two red apples",
    "A PHOTO OF A DOG": "a photo of a dog",
    "a red car, a blue bus": "a photo of a red car and a blue bus",
    "A red car, and a blue bus!": "a photo of a red car and a blue bus",
    "a dog & a teddy bear": "a photo of a dog and a teddy bear",
    "  the dog,   to the RIGHT of the teddy ": "a photo of a dog right of a teddy bear",
    "a bird on top of an bench": "a photo of a bird above a bench",
    "3 cats": "a photo of three cats",
    "1 dog": "a photo of a dog",
    "three-cats": "a photo of three cats",
    "An image of one orange bus": "a photo of an orange bus",
    "“two” red apples…": "a photo of two red apples",
    "ＴＷＯ apples": "a photo of two apples",
    "apples": "a photo of an apple",
}


@pytest.mark.parametrize("typed", TYPED)
def test_what_people_type_is_what_the_models_learnt(typed):
    assert canonical(typed) == TYPED[typed]
    assert parse(canonical(typed))["prompt"] == TYPED[typed]


@pytest.mark.parametrize("typed", ["", " . ", "a photo of", "a photo of a star", "7 dogs", "dog " * 40, "<image>"])
def test_what_cannot_be_painted_is_refused_in_words(typed):
    with pytest.raises(UserError):
        canonical(typed)


def test_the_prompts_of_all_splits_are_canonical_already():
    for name in ("dev", "test"):
        for entry in splits.prompts(name):
            assert canonical(entry["prompt"]) == entry["prompt"]


def test_a_released_backend_only_tidies():
    backend = ReleasedBackend("show-o", "cpu")
    assert backend.canonical("  A  Dog,\tleft of\x00 2 Benches. ") == "A Dog, left of 2 Benches."
    for prompt in ("an <image> of a dog", "a <|im_end|>", " \x07 "):
        with pytest.raises(UserError):
            backend.canonical(prompt)


WORDS = [*PROMPT_WORDS, "1", "2", "one", "image", "to", "on", "top", "under", "sofa", "kitty"]
SPELT = st.sampled_from(WORDS).map(str).flatmap(lambda word: st.sampled_from([word, word.upper(), word.title()]))
PHRASES = st.lists(SPELT, min_size=1, max_size=28)
MARKS = st.sampled_from([" ", ", ", ". ", "; ", " & ", "  ", " - ", "! ", ": "])
NUMBER, COLOUR = (st.sampled_from([*words]) for words in (["a", "Two", "3", "four", ""], [*COLOURS, ""]))
THING = st.tuples(NUMBER, COLOUR, st.sampled_from([*CLASSES, *map(plural, CLASSES)]))


@st.composite
def prompts(draw) -> str:
    """Sentences much like those of the world, and heaps of its words, as people type them."""
    if draw(st.booleans()):
        things = draw(st.lists(THING, min_size=1, max_size=2))
        between = draw(st.sampled_from([", ", " and ", " left of ", ", above ", " & "]))
        return between.join(" ".join(filter(None, thing)) for thing in things) + draw(st.sampled_from(["", ".", "!"]))
    return "".join(word + draw(MARKS) for word in draw(PHRASES))


@given(st.one_of(prompts(), st.text(max_size=MAX_PROMPT)))
def test_the_canonical_form_is_one_and_every_tokenizer_knows_its_words(typed):
    try:
        prompt = canonical(typed)
    except UserError as error:
        assert str(error)
        return
    assert canonical(prompt) == prompt and len(prompt) <= MAX_PROMPT
    for folder, tokenizer in TOKENIZERS.items():
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids, (folder, prompt)
        assert len(ids) == len(prompt.split())


TOKENIZERS = {"generator": prompt_tokenizer(), "judge": judge_tokenizer()} | {
    folder.parent.name: AutoTokenizer.from_pretrained(folder.parent)
    for folder in sorted(MINI.glob("*/tokenizer_config.json"))  # as they ship
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("mini")
    tiny_mini.build_all_judges(root)
    return cotdemo.backends.MiniBackend(root=root)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=prompts())
def test_whatever_is_admitted_every_method_can_run(tiny, typed):
    try:
        prompt = tiny.canonical(typed)
    except UserError:
        return
    for method in METHODS:
        events = list(search(method, tiny, typed, paths=1, steps=2, rounds=1, seed=0))
        assert events[0].settings.prompt == prompt and isinstance(events[-1], RunFinished)
    again = Trace.from_json(Trace.of(events).to_json())
    assert isinstance(list(reflect(tiny, again.events, anyway=True))[-1], RunFinished)


def test_one_thing_less_is_a_prompt_as_well():
    assert lessened("a photo of two red dogs and a cat") == [
        ("one red dog", "a photo of a red dog and a cat"),
        ("the cat", "a photo of two red dogs"),
    ]
    assert lessened("a photo of a dog right of a bench") == [
        ("the bench", "a photo of a dog"),
        ("the dog", "a photo of a bench"),
    ]
    assert lessened("a photo of three vases") == [("one vase", "a photo of two vases")]
    for prompt in ("a photo of a bear", "two dogs", "a storm over the sea", ""):
        assert lessened(prompt) == []
    for entry in splits.prompts("test"):
        assert all(canonical(left) == left for _, left in lessened(entry["prompt"]))


def test_the_longest_prompt_fits_into_generator_and_judge(tiny):
    longest = sorted(CLASSES, key=lambda kind: len(kind.split()))[-MOST:]
    prompt = canonical(" and ".join(f"a green {kind}" for kind in longest))
    assert len(prompt.split()) == 3 + 4 * MOST + MOST - 1  # the most that a prompt can say
    assert len(prompt.split()) + 2 <= tiny._config("showo")["max_text_length"]
    settings = {"paths": 1, "steps": 2, "rounds": 1, "seed": 0}
    for method in ("orm", "parm++"):
        assert isinstance(list(search(method, tiny, prompt, **settings))[-1], RunFinished)


@dataclass
class Reader(Studio):
    """A studio that reads as the embedded world does, and remembers who was told which prompt."""

    told: set = field(default_factory=set)

    def canonical(self, prompt):
        return canonical(prompt)

    def generator(self, model):
        studio = super().generator(model)
        start = studio.start

        def remember(prompt, *settings, **more):
            self.told.add(("painter", prompt))
            return start(prompt, *settings, **more)

        studio.start = remember
        return studio

    def encode(self, images):
        encoded = super().encode(images)
        ask = encoded.ask
        encoded.ask = lambda question, prompt, rows=None: (
            self.told.add(("judge", prompt)) or ask(question, prompt, rows)
        )
        return encoded


class TestEveryWayIn:
    TYPED, MEANT = "A red car, a blue bus.", "a photo of a red car and a blue bus"

    def test_python(self):
        reader = Reader()
        reader.check = lambda prompt, image: reader.told.add(("checker", prompt))
        events = list(search("parm", reader, self.TYPED, paths=2, steps=2, seed=0))
        assert reader.told == {(who, self.MEANT) for who in ("painter", "judge", "checker")}
        assert next(event for event in events if isinstance(event, RunStarted)).settings.prompt == self.MEANT

    def test_command_line(self, monkeypatch, tmp_path):
        reader = Reader()
        monkeypatch.setattr(cotdemo.backends, "load_backend", lambda *_, **__: reader)
        assert cli.main(["generate", self.TYPED, "--paths", "2", "--steps", "2", "--out", str(tmp_path)]) == 0
        assert {prompt for _, prompt in reader.told} == {self.MEANT}
        assert read_png_settings(tmp_path / "winner.png").prompt == self.MEANT
        assert Trace.load(tmp_path / "trace.json").started.settings.prompt == self.MEANT

    def test_page_and_endpoints(self):
        handlers = Handlers("mini", lambda: Double(pace=0))
        made = Endpoints(handlers).painted(self.TYPED, paths=1, steps=2).told(with_trace=True)
        assert made["settings"]["prompt"] == made["trace"]["events"][0]["prompt"] == self.MEANT
        updates = list(handlers.paint(self.TYPED, {"method": "orm", "model": "base"}, 1, 2, 1.0, 1.0, 0, False))
        (run_id,) = {update["run_id"] for update in updates if "run_id" in update}
        assert handlers.runs.get(run_id).state.settings.prompt == self.MEANT
        assert not any("prompt" in update for update in updates)  # what is typed meanwhile is not written over
