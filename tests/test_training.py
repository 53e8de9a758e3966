"""What makes the shipped weights: the training loop, its data, and each stage from nothing to a folder of weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny_mini
import torch
from torch import nn

from cotdemo.backends import RECIPE, MiniBackend, mismatches, weights_hash
from cotdemo.errors import UserError
from cotdemo.generator.magvit import MagvitV2
from cotdemo.geneval.prompts import TAGS
from cotdemo.geneval.rules import Found
from cotdemo.settings import VERIFIERS
from cotdemo.training import dpo, generator, judge, judge_data, self_correct, stages, tokenizer, trajectories
from cotdemo.training.images import to_pixels
from cotdemo.training.loop import Schedule, fit
from cotdemo.training.repair import follow
from cotdemo.verifiers.images import to_pixels as judge_pixels
from cotdemo.world import splits
from cotdemo.world.checker_a import read
from cotdemo.world.faults import Verdict, judge_reading
from cotdemo.world.prompts import parse
from cotdemo.world.scenes import draw
from cotdemo.world.splits import random_prompt, split
from cotdemo.world.words import judge_tokenizer, prompt_tokenizer

PROMPT = "a photo of a red dog and a blue bus"
PAINTINGS = trajectories.Sampling(count=6, guesses=2, steps=(4,), seed=1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> MiniBackend:
    return tiny_mini.backend(tmp_path_factory.mktemp("tiny"))


# The loop


class Layers(nn.Module):
    """Two matrices that Muon trains, a vector and an embedding that it does not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.words = nn.Embedding(4, 6)


def squares(model: Layers, step: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(step)
    x = model.words(torch.randint(4, (8,), generator=rng))
    for layer in model.layers:
        x = layer(x).tanh()
    return {"loss": (x - torch.randn(8, 6, generator=rng)).square().mean()}


SCHEDULE = Schedule(steps=7, lr=1e-2, warmup=2, average=0.5)


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(tmp_path):
    whole = fit(Layers(), squares, SCHEDULE, tmp_path / "whole")
    for _ in range(SCHEDULE.steps - 1):  # one step each, then it stops
        with pytest.raises(SystemExit, match="run the same command again"):
            fit(Layers(), squares, SCHEDULE, tmp_path / "parts", stop_after_minutes=1e-9)
    parts = fit(Layers(), squares, SCHEDULE, tmp_path / "parts")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name


def test_training_lowers_the_loss_and_reaches_every_weight(tmp_path):
    before = Layers()
    after = fit(Layers(), squares, replace(SCHEDULE, steps=60), tmp_path)
    with torch.no_grad():
        mean = [np.mean([float(squares(model, step)["loss"]) for step in range(20)]) for model in (before, after)]
    assert mean[1] < mean[0]
    for name, value in before.state_dict().items():
        assert not torch.equal(value, after.state_dict()[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    fit(Layers(), squares, SCHEDULE, tmp_path)
    with pytest.raises(RuntimeError, match="another recipe"):
        fit(Layers(), squares, replace(SCHEDULE, lr=1.0), tmp_path)


def test_a_cut_checkpoint_is_told_in_words(tmp_path):
    fit(Layers(), squares, SCHEDULE, tmp_path)
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="is damaged: delete it"):
        fit(Layers(), squares, SCHEDULE, tmp_path)


def test_what_training_keeps_is_whole_or_not_there(tmp_path, lessons, monkeypatch):
    lessons.save(tmp_path / "lessons.npz")

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", killed)
    with pytest.raises(KeyboardInterrupt):
        lessons.save(tmp_path / "lessons.npz")
    assert len(judge_data.Lessons.load(tmp_path / "lessons.npz")) == len(lessons)
    assert [file.name for file in tmp_path.iterdir()] == ["lessons.npz"]


def test_a_loss_that_is_not_finite_ends_the_run_before_it_is_saved(tmp_path):
    def broken(model: Layers, step: int) -> dict[str, torch.Tensor]:
        return {"loss": squares(model, step)["loss"] * (float("nan") if step == 3 else 1.0)}

    with pytest.raises(RuntimeError, match="step 3"):
        fit(Layers(), broken, SCHEDULE, tmp_path, checkpoint_minutes=0)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 3 and all(value.isfinite().all() for value in saved["model"].values())


def test_each_cycle_starts_at_half_the_rate_of_the_last():
    schedule = Schedule(steps=200, lr=1.0, warmup=0, cycles=2)
    assert schedule.rate(0) == 1.0 and schedule.rate(100) == 0.5
    assert schedule.rate(99) < 0.01 and schedule.rate(199) < 0.01


# The generator's masks and loss


def test_masking_follows_the_cosine_of_a_uniform_time():
    rng = torch.Generator().manual_seed(0)
    shares = generator.mask_codes(torch.zeros(4000, 64), rng).float().mean(1)
    assert shares.min() > 0
    assert float(shares.mean()) == pytest.approx(2 / np.pi, abs=0.02)
    assert float((shares < 0.5).float().mean()) == pytest.approx(1 / 3, abs=0.03)  # cos(pi t / 2) < 1/2 where t > 2/3


def test_the_loss_counts_masked_tokens_alone_and_attention_is_the_pipelines(tiny):
    model = tiny.generator("base").showo
    vocabulary = model.vocabulary
    codes = torch.randint(1024, (2, 64), generator=torch.Generator().manual_seed(1))
    masked = torch.zeros(2, 64, dtype=torch.bool)
    masked[0, :10] = masked[1, 5:40] = True
    prefixes = [vocabulary.prefix(tiny.tokenizer(PROMPT).input_ids), vocabulary.prefix()]
    with torch.no_grad():
        rows = model.prefill(vocabulary.padded(prefixes))
        logits = model.image_logits(codes.masked_fill(masked, -1), rows)
        expected = nn.functional.cross_entropy(logits[masked], codes[masked])
        fused = generator.masked_loss(model, prefixes, codes, masked)["loss"]
        model.showo.set_attn_implementation("eager")
        plain = generator.masked_loss(model, prefixes, codes, masked)["loss"]
        model.showo.set_attn_implementation("sdpa")
    assert float(fused) == pytest.approx(float(expected), abs=2e-5)
    assert float(plain) == pytest.approx(float(expected), abs=2e-5)


# The judge's lessons


@pytest.fixture(scope="module")
def lessons(tiny) -> judge_data.Lessons:
    return trajectories.sampled(tiny.generator("base"), PAINTINGS)


def test_the_last_guess_of_a_painting_is_clear_and_decides_its_potential(lessons):
    for path in range(6):
        rows = np.flatnonzero(lessons.path == path)
        last = rows[lessons.step[rows].argmax()]
        assert lessons.step[last] == 3 and lessons.clarity[last] == 1
        assert set(lessons.potential[rows]) == {lessons.outcome[last]}
    finals = judge_data.finals(lessons)
    assert sorted(finals.path) == list(range(6)) and set(finals.step) == {3}


def test_a_lesson_is_criticised_exactly_where_it_is_wrong(lessons):
    assert [bool(text) for text in lessons.critiques] == [outcome == 0 for outcome in lessons.outcome]


def test_drawn_images_are_damaged_only_where_that_is_asked_for(tiny, monkeypatch):
    scenes = []
    monkeypatch.setattr(judge_data, "draw", lambda scene: draw(scenes.append(scene) or scene))
    clean = judge_data.drawn(tiny.magvit, judge_data.Drawn(count=20))
    with torch.no_grad():
        seen = tiny.magvit.encode(to_pixels(np.stack([draw(scene) for scene in scenes]))).numpy()
    assert (clean.codes == seen).all()
    damaged = judge_data.drawn(tiny.magvit, judge_data.Drawn(count=20, damaged=0.5))
    assert 0 < (damaged.codes != clean.codes).any(1).sum() < 20
    # what the zero-shot judge has seen, and so what the others begin with
    assert all(recipe.drawn == judge_data.Drawn() for name, recipe in judge.RECIPES.items() if name != "judge-guide")


def test_a_repainting_begins_with_a_wrong_image_and_its_critique(tiny, lessons, monkeypatch):
    finals = judge_data.finals(lessons)
    wrong = finals.only(np.flatnonzero(finals.outcome == 0))
    pipeline, told = tiny.generator("self-correct"), []
    start = pipeline.start
    monkeypatch.setattr(
        pipeline, "start", lambda *given, **named: told.append((given, named)) or start(*given, **named)
    )
    again = trajectories.repainted(pipeline, wrong, PAINTINGS)
    ((prompts, _), named), *_ = told
    before = {(str(p), tuple(c), str(s)) for p, c, s in zip(wrong.prompts, wrong.codes.tolist(), wrong.critiques)}
    assert {(p, c.prompt_codes, c.critique) for p, c in zip(prompts, named["context"])} <= before
    assert named["guidance"] == 0 and set(again.prompts) == set(prompts) <= set(wrong.prompts)


def test_rollouts_keep_what_is_painted_and_differ_in_the_rest_until_one_ends_right(tiny, monkeypatch):
    pipeline, decoded = tiny.generator("base"), []
    entries = [parse(prompt) for prompt in (PROMPT, "a photo of a dog", "a photo of two cats", PROMPT)]
    session = pipeline.start([entry["prompt"] for entry in entries], range(4), 6, seed=1)
    state = [session.step() for _ in range(4)][-1]
    # an untrained generator paints nothing right; what counts as right here is something that varies
    monkeypatch.setattr(trajectories, "read", lambda image: int(image.sum()) % 5 == 0)
    monkeypatch.setattr(trajectories, "judge_reading", lambda found, entry: Verdict(found, found, ()))
    decode = pipeline.decode
    monkeypatch.setattr(pipeline, "decode", lambda codes: decoded.append(codes) or decode(codes))
    right = trajectories.can_end_right(pipeline, entries, state, 6, 3, np.random.default_rng(2))

    kept, left, ends = ~state.masked, list(range(4)), [set() for _ in entries]
    for codes in decoded:
        assert len(codes) == len(left)
        for row, end, image in zip(list(left), codes, decode(codes)):
            assert (end[kept[row]] == state.codes[row][kept[row]]).all()
            assert tuple(end.tolist()) not in ends[row]
            ends[row].add(tuple(end.tolist()))
            if int(image.sum()) % 5 == 0:
                left.remove(row)
    assert right.tolist() == [row not in left for row in range(4)]
    assert {len(ends[row]) for row in left} == {3}


def test_a_process_lesson_is_yes_where_a_rollout_from_the_guess_ends_right(tiny, monkeypatch):
    pipeline, coin, draws, rolled = tiny.generator("base"), np.random.default_rng(0), set(), {}

    def can_end_right(_, entries, step, steps, rollouts, rng):
        assert steps == 4 and rollouts == 3
        draws.add(rng.random())
        right = coin.random(len(entries)) < 0.5
        rolled.update(zip(map(tuple, step.codes.tolist()), right.tolist()))
        return right

    monkeypatch.setattr(trajectories, "can_end_right", can_end_right)
    lessons = trajectories.rolled_out(pipeline, PAINTINGS, rollouts=3)
    before, last = (lessons.only(np.flatnonzero(chosen)) for chosen in (lessons.step < 3, lessons.step == 3))
    assert before.outcome.tolist() == [rolled[tuple(codes)] for codes in before.codes.tolist()]
    assert set(before.outcome) == {0, 1} and set(before.other_outcome) == {judge_data.UNKNOWN}
    assert len(draws) == len(set(before.step)) > 1  # fresh noise for every step
    assert {said.prompt for row in range(len(before)) for said in judge.answers_of(before, row, ["outcome"])} == {None}
    finals = judge_data.finals(trajectories.sampled(pipeline, PAINTINGS))
    assert (last.codes == finals.codes).all() and (last.outcome == finals.outcome).all()


def test_a_judge_learns_the_questions_of_its_recipe_alone(lessons):
    row = int(np.flatnonzero(lessons.outcome == 0)[0])
    asked = {name: [answer.question for answer in judge.answers_of(lessons, row, recipe.weights)]
             for name, recipe in judge.RECIPES.items()}  # fmt: skip
    parts = ["present"] * int((lessons.present[row] != judge_data.UNKNOWN).sum())
    words = [*parts, "explain", *(["describe"] if lessons.contents[row] else [])]
    assert asked["judge"] == ["clarity", "potential", "outcome", "outcome", *words] == asked["judge-guide"] and parts
    assert asked["judge-orm"] == ["outcome", "outcome"]
    assert asked["judge-zero-shot"] == ["outcome", "outcome", *words]


def test_what_a_judge_is_told_to_be_present_is_and_nothing_of_the_benchmark_is_told():
    rng = np.random.default_rng(3)
    entries = splits.random_prompts("align", 60, rng)
    readings = [read(draw(splits.random_scene(entry, rng))) for entry in entries]
    lessons = judge_data.label(entries, np.zeros((60, 64)), readings, rng)
    told = [(part, holds) for part, holds in zip(lessons.parts.ravel(), lessons.present.ravel()) if holds >= 0]
    assert not any(splits.is_of_test(parse(f"a photo of {part}")) for part, _ in told)
    own = lessons.present[:, 0]
    assert (own[own != judge_data.UNKNOWN] == 1).all()  # what is right has all that was asked for
    assert {0, 1} == set(lessons.present[:, 1].tolist())


def test_the_judges_of_one_ladder_differ_in_their_lessons_alone():
    """Outcome and process reward models get PARM's training budget; the judge that guides DPO is another one."""
    parm, orm, prm, guide = (judge.RECIPES[name] for name in ("judge", "judge-orm", "judge-prm", "judge-guide"))
    assert orm == replace(parm, weights={"outcome": parm.weights["outcome"]}, dear={})
    assert (prm.seed, prm.drawn, prm.on_painted) == (parm.seed, parm.drawn, parm.on_painted)
    assert guide.seed != parm.seed and guide.drawn.seed != parm.drawn.seed


@pytest.mark.parametrize("tag", [*TAGS, splits.MIXED])
def test_a_variation_is_another_prompt_that_is_none_of_the_benchmarks(tag):
    rng = np.random.default_rng(2)
    for _ in range(30):
        entry = random_prompt(split("align"), tag, rng)
        other = judge_data.variation(entry, rng)
        assert parse(other["prompt"]) == other and not splits.is_of_test(other)
        if other["prompt"] != entry["prompt"]:  # two colours that are the same cannot be exchanged
            found = read(draw(judge_data.random_scene(entry, rng)))
            assert judge_reading(found, entry).strict and not (
                judge_reading(found, other).strict and all("color" in item for item in entry["include"])
            )


def test_no_lesson_names_what_the_benchmark_asks_for(tiny):
    lessons = judge_data.drawn(tiny.magvit, judge_data.Drawn(count=60))
    assert not any(splits.is_of_test(parse(text)) for text in (*lessons.prompts.tolist(), *lessons.other.tolist()))


def test_words_that_are_apart_see_themselves_and_the_marks_and_are_seen_by_the_image():
    words = prompt_tokenizer()
    vocabulary = generator.new_generator(tiny_mini.PHI, words, 1024, tokens=4).vocabulary
    ids = vocabulary.sequences([vocabulary.prefix(words(PROMPT).input_ids)] * 2, torch.full((2, 4), -1))
    whole, apart = vocabulary.attention(ids)[0], generator.words_apart(ids, vocabulary, torch.tensor([False, True]))
    assert torch.equal(apart[0], whole)
    said = [place for place, word in enumerate(ids[1].tolist()) if word < vocabulary.text and word != vocabulary.eos]
    assert len(said) == len(PROMPT.split())
    assert torch.equal(apart[1][said][:, said], torch.eye(len(said), dtype=torch.bool))
    assert apart[1][said[-1], : said[0]].all()  # the marks before
    image = ids[1] >= vocabulary.soi
    assert torch.equal(apart[1][image], whole[image])


def test_paintings_can_be_made_in_parts(tiny, monkeypatch):
    monkeypatch.setattr(trajectories, "_TOGETHER", 2)
    pipeline = tiny.generator("base")
    whole = trajectories.sampled(pipeline, replace(PAINTINGS, count=4))
    parts = [trajectories.sampled(pipeline, replace(PAINTINGS, first=a, count=b)) for a, b in ((0, 2), (2, 4))]
    joined = judge_data.Lessons.join(*parts)
    assert (joined.codes == whole.codes).all() and (joined.path == whole.path).all()


def test_lessons_are_kept_in_a_file(lessons, tmp_path):
    lessons.save(tmp_path / "lessons.npz")
    again = judge_data.Lessons.load(tmp_path / "lessons.npz")
    assert (again.prompts == lessons.prompts).all() and (again.codes == lessons.codes).all()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_lessons_teach_what_the_judge_says_question_by_question(attention):
    """Branches that shared anything but image and prompt would make another loss."""
    torch.manual_seed(0)
    one = judge.new_judge(tiny_mini.VISION, tiny_mini.TEXT, judge_tokenizer())
    one.model.eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(2, 128, 128, 3), dtype=np.uint8)
    prompts = [PROMPT, "a photo of a dog"]
    answers = [
        [("clarity", "yes"), ("potential", "no"), ("outcome", "yes"), ("outcome", "no", "a photo of a blue dog")],
        [("outcome", "no"), ("explain", "there is no dog"), ("describe", "red dog")],
    ]
    answers = [[judge.Answer(*one) for one in said] for said in answers]
    weights = dict.fromkeys(("clarity", "potential", "outcome", "explain", "describe"), 1.0)
    dear = {"potential no": 3.0, "clarity no": 5.0}
    packs = [judge.pack(one.conversation, prompt, said, weights, dear) for prompt, said in zip(prompts, answers)]
    batch = judge.collate(packs, one.conversation.trunk, one.tokenizer.pad_token_id)
    one.model.set_attn_implementation(attention)
    packed = float(judge.losses(one, images, batch)["loss"])
    one.model.set_attn_implementation("sdpa")

    total = count = 0.0
    for row, (prompt, said) in enumerate(zip(prompts, answers)):
        for question, answer, other in said:
            lesson = one.conversation.lesson(question, other or prompt, answer)
            pixels = judge_pixels(images[row : row + 1], 128, one.model.model.image_newline)
            embeddings = judge.encode_images(one.model, pixels)
            words = one.model.get_input_embeddings()(torch.tensor([lesson.ids[one.conversation.trunk :]]))
            hidden = one.model.model.language_model(inputs_embeds=torch.cat([embeddings, words], 1)).last_hidden_state
            targets = torch.tensor(lesson.targets)
            where = targets != judge.IGNORE
            each = nn.functional.cross_entropy(one.model.lm_head(hidden[0][where]), targets[where], reduction="none")
            weight = int(where.sum()) ** -0.5 * (3.0 if (question, answer) == ("potential", "no") else 1.0)
            total, count = total + float(each.sum()) * weight, count + len(each) * weight
    assert packed == pytest.approx(total / count, abs=2e-5)


# Self-correction


@pytest.mark.parametrize("prompt", [PROMPT, "a photo of three dogs", "a photo of a dog left of a cat"])
def test_following_critiques_one_by_one_makes_an_image_right(prompt):
    rng = np.random.default_rng(5)
    entry, in_the_way = parse(prompt), 0
    for _ in range(20):
        scene = judge_data._wrong(entry, judge_data.random_scene(entry, rng), rng)
        if entry["tag"] != "position":  # of two dogs, only one need stand where it should
            scene = judge_data._changed(scene, rng)
        found = read(draw(scene))
        while faults := judge_reading(found, entry).faults:
            before, scene = scene, follow(entry, found, faults[0])
            if scene is None:  # something that nobody asked for stands in the way
                in_the_way += 1
                break
            found = read(draw(scene))
            assert faults[0] not in judge_reading(found, entry).faults
            if faults[0].fault == "extra":
                assert {(one.kind, one.x, one.y) for one in scene.things} < {
                    (one.kind, one.x, one.y) for one in before.things
                }
    assert in_the_way <= 2


def at(kind: str, colour: str | None, x: int, y: int) -> Found:
    return Found(kind, colour, (x + 1.5, y + 1.5, x + 46.5, y + 46.5))


@pytest.mark.parametrize(
    "prompt, found, expected",
    [
        ("a red dog and a blue bus", [at("dog", "blue", 0, 0), at("bus", "red", 64, 64)],
         {("dog", "red", 0, 0), ("bus", "blue", 64, 64)}),  # exchanged colours change places
        ("a red dog and a blue bus", [at("dog", "green", 0, 0), at("bus", "pink", 64, 64)],
         {("dog", "red", 0, 0), ("bus", "pink", 64, 64)}),  # the other fault stays
        ("a red dog and a blue bus", [at("dog", "red", 0, 0), at("cow", None, 64, 64)],
         {("dog", "red", 0, 0), ("bus", "blue", 64, 64)}),  # what is missing replaces what nobody asked for
        ("a dog and a bus", [at("dog", "red", 0, 0), at("cow", None, 64, 64)],
         {("dog", "red", 0, 0), ("bus", "natural", 64, 64)}),  # in its own colour, where none is asked for
        ("two cats", [at("cat", "pink", 0, 0), at("", None, 80, 16)],
         {("cat", "pink", 0, 0), ("cat", "pink", 80, 16)}),  # and what is malformed
        ("two red cats", [at("cat", "red", 80, 0), at("cat", "blue", 0, 0), at("cat", "red", 80, 80)],
         {("cat", "red", 80, 0), ("cat", "red", 0, 0), ("cat", "red", 80, 80)}),  # colour first, the count stays
        ("a dog left of a bus", [at("dog", "red", 80, 0), at("bus", "blue", 0, 0)],
         {("dog", "red", 0, 0), ("bus", "blue", 48, 0)}),  # no room to its left: both move
    ],
)  # fmt: skip
def test_a_critique_is_followed_and_the_rest_stays(prompt, found, expected):
    entry = parse(prompt)
    fault = judge_reading(found, entry).faults[0]
    scene = follow(entry, found, fault)
    assert {(item.kind, item.tint, item.x, item.y) for item in scene.things} == expected


def test_a_critique_that_cannot_be_followed_is_left_out():
    entry = parse("four dogs")
    crowd = [at("dog", "red", x, y) for x, y in ((0, 0), (16, 16))]  # they overlap
    assert follow(entry, crowd, judge_reading(crowd, entry).faults[0]) is None


def test_corrections_are_of_wrong_images_and_change_them(tiny, lessons):
    data = self_correct.corrections(tiny.magvit, lessons)
    assert len(data.prompts) == len(data.critiques) == len(data.before) == len(data.after)
    assert 0 < len(data.prompts) <= (lessons.outcome == 0).sum()
    assert (data.before != data.after).any(1).all()


# Every stage, in small, from nothing to weights that belong together

_BRIEF = Schedule(steps=2, lr=1e-3, warmup=1, average=0.5)
_PARTS = (generator.Part(_BRIEF, {}), generator.Part(_BRIEF, {"relation": 0.5, "number": 0.5}))


def test_the_stages_make_a_whole_set_of_weights(tmp_path, monkeypatch):
    def brief(module, **changes):
        recipe = replace(module.Recipe(), **changes)
        monkeypatch.setattr(module, "Recipe", lambda: recipe)

    small = {
        "channels": 8, "channel_multipliers": (1, 1), "encoder_blocks": (1, 1), "decoder_blocks": (1, 1),
        "bits": 10, "norm_groups": 4, "patch_size": 8,
    }  # fmt: skip
    brief(tokenizer, batch=4, model=small, schedule=_BRIEF, refining=_BRIEF)
    brief(generator, batch=4, pool=16, hinted=8, phi=tiny_mini.PHI, parts=_PARTS)
    evaluate = generator.evaluate
    monkeypatch.setattr(generator, "evaluate", lambda *of, each: evaluate(*of, each=1))
    brief(self_correct, batch=4, paintings=PAINTINGS, drawn=judge_data.Drawn(count=8, damaged=0.2), schedule=_BRIEF)
    for name, recipe in judge.RECIPES.items():
        paintings = {folder: replace(PAINTINGS, seed=one.seed) for folder, one in recipe.paintings.items()}
        changes = {"batch": 4, "vision": tiny_mini.VISION, "text": tiny_mini.TEXT, "paintings": paintings,
                   "drawn": replace(recipe.drawn, count=16)}  # fmt: skip
        phases = {phase: getattr(recipe, phase) and _BRIEF for phase in ("on_drawn", "on_painted")}
        monkeypatch.setitem(judge.RECIPES, name, replace(recipe, **changes, **phases))
    recipes = {}
    for name in ("tokenizer", "generator", "judge-zero-shot", "judge-orm", "judge-prm", "self-correct", "judge",
                 "judge-guide"):  # fmt: skip
        stage = stages.Stage(name, tmp_path / "work", tmp_path / "mini", "cpu", {})
        stage.run()
        record = recipes[name] = json.loads((tmp_path / "mini" / stage.folder / RECIPE).read_text())
        assert record["steps"] == (4 if name in ("tokenizer", "generator", "judge-guide") else 2)  # two phases or one
        assert "_name_or_path" not in json.loads((tmp_path / "mini" / stage.folder / "config.json").read_text())
        assert record["command"] == f"python -m cotdemo train {name}"

    assert recipes["judge-zero-shot"]["made_from"].keys() == {"magvit"}
    # each recipe names the generators there were
    generators = {name: set(recipes[name]["recipe"]["paintings"]) for name in ("judge-orm", "judge", "judge-guide")}
    assert generators == {"judge-orm": {"showo"}, "judge": {"showo", "self-correct"}, "judge-guide": {"showo"}}
    assert recipes["judge"]["made_from"].keys() == {"magvit", "showo", "judge-zero-shot", "self-correct"}

    assert mismatches(tmp_path / "mini") == []
    backend = MiniBackend(root=tmp_path / "mini")
    step = backend.generator("self-correct").start(PROMPT, range(2), 3, seed=1).step()
    for verifier in VERIFIERS:
        encoded = backend.verifier(verifier).encode(list(backend.decode(step.codes)))
        assert encoded.ask("outcome", PROMPT).p_yes.shape == (2,)

    def misfits() -> list[str]:
        return [words.split(" was made from ")[0] for words in mismatches(tmp_path / "mini")]

    stage = stages.Stage("judge-zero-shot", tmp_path / "other", tmp_path / "mini", "cpu", {})
    judge.RECIPES["judge-zero-shot"] = replace(judge.RECIPES["judge-zero-shot"], seed=1)
    stage.run()
    assert misfits() == ["judge", "judge-orm", "judge-prm"]
    MagvitV2(**small).half().save_pretrained(tmp_path / "mini" / "magvit")
    assert set(misfits()) == {
        "judge",
        "judge-guide",
        "judge-orm",
        "judge-prm",
        "judge-zero-shot",
        "self-correct",
        "showo",
    }


def test_each_round_of_alignment_learns_from_what_the_one_before_paints(tmp_path, monkeypatch):
    root = tiny_mini.build(tmp_path / "mini")
    monkeypatch.setattr(stages.Stage, "_label", lambda _: lambda prompts, images: [row % 2 == 0 for row in range(4)])
    first = replace(dpo.Recipe(), prompts=2, paths=2, batch=2, masks=1, schedule=_BRIEF)
    rounds = (first, replace(first, painted=6), replace(first, painted=7))
    for name, source, recipes in (("dpo", "showo", rounds[:1]), ("dpo-iter", "dpo", rounds[1:])):
        monkeypatch.setitem(stages.STAGES, name, (name, ("magvit", source), stages._aligned(source, *recipes)))

    def run(name: str, seed: int | None = None, assets: str = "mini") -> dict:
        stages.Stage(name, tmp_path / "work", tmp_path / assets, "cpu", {}, seed).run()
        return json.loads((tmp_path / assets / name / RECIPE).read_text())

    dpo_record, record = run("dpo"), run("dpo-iter")
    (between,) = (tmp_path / "work").glob("aligned-*")
    generators = [weights_hash(root / "showo"), weights_hash(root / "dpo"), weights_hash(between)]
    pools = {file.name for file in (tmp_path / "work").glob("pool-*")}
    assert pools == {
        f"pool-2x2-pretrain-align-{seed}-{generator}.npz" for seed, generator in zip((5, 6, 7), generators)
    }
    assert len({*generators, weights_hash(root / "dpo-iter")}) == 4
    assert "earlier_rounds" not in dpo_record["reached"]
    assert [one["recipe"]["painted"] for one in record["reached"]["earlier_rounds"]] == [6]
    # another seed of the last round shares the earlier ones
    shutil.copytree(root, tmp_path / "again")
    shutil.rmtree(tmp_path / "work" / "dpo-iter")
    other = run("dpo-iter", seed=9, assets="again")
    assert other["weights"] != record["weights"] and other["command"].endswith("train dpo-iter --seed 9")
    assert len(list((tmp_path / "work").glob("aligned-*"))) == 1
    assert len(list((tmp_path / "work").glob("pool-*"))) == 3


def test_alignment_needs_a_right_and_a_wrong_image(tmp_path, monkeypatch):
    monkeypatch.setattr(stages.Stage, "_label", lambda _: lambda prompts, images: [False] * len(prompts))
    align = stages._aligned("showo", replace(dpo.Recipe(), prompts=2, paths=2))
    monkeypatch.setitem(stages.STAGES, "dpo", ("dpo", ("magvit", "showo"), align))
    stage = stages.Stage("dpo", tmp_path / "work", tiny_mini.build(tmp_path / "mini"), "cpu", {})
    with pytest.raises(UserError, match="nothing to prefer"):
        stage.run()


def test_a_later_round_goes_on_with_an_adapter_alone(tmp_path, monkeypatch):
    root = tiny_mini.build(tmp_path / "mini")
    shutil.copytree(root / "self-correct", root / "dpo")  # whole weights, in which an adapter of the base has no place
    monkeypatch.setattr(stages.Stage, "_label", lambda _: lambda prompts, images: [row % 2 == 0 for row in range(4)])
    align = stages._aligned("dpo", replace(dpo.Recipe(), prompts=2, paths=2))
    monkeypatch.setitem(stages.STAGES, "dpo-iter", ("dpo-iter", ("magvit", "dpo"), align))
    with pytest.raises(UserError, match="no adapter"):
        stages.Stage("dpo-iter", tmp_path / "work", root, "cpu", {}).run()


def test_a_judge_without_its_beginning_names_the_stage_that_makes_it(tmp_path):
    root = tiny_mini.build(tmp_path / "mini")
    with pytest.raises(UserError, match="python -m cotdemo train judge-zero-shot"):
        stages.Stage("judge-prm", tmp_path, root, "cpu", {})
