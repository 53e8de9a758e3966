from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from showo_cases import SMALL_TEXT, golden, golden_json, magvit, pipeline, small, tokenizer

from cotdemo.errors import UserError
from cotdemo.generator.chance import PathSampler
from cotdemo.generator.magvit import MagvitV2
from cotdemo.generator.pipeline import SamplingSession, ShowoPipeline
from cotdemo.generator.showo import Showo

PROMPT = "w3 w4 w5"


@dataclass
class Correction:
    prompt_codes: list[int]
    critique: str


def painted(session: SamplingSession) -> dict[int, list[tuple]]:
    """Every step of every path, exactly: codes, masked positions, confidence."""
    seen: dict[int, list[tuple]] = {}
    while not session.done:
        step = session.step()
        for row, path in enumerate(step.paths):
            tensors = (step.codes, step.masked, step.confidence)
            seen.setdefault(path, []).append((step.index, *(tensor[row].tolist() for tensor in tensors)))
    return seen


@pytest.fixture(scope="module")
def mini():
    """As large as the embedded model, weights at random: 64 tokens of 1,024 codes."""
    torch.manual_seed(0)
    showo = Showo(
        vocab_size=1135, llm_vocab_size=100, codebook_size=1024, num_vq_tokens=64, mask_token_id=1134,
        phi={"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "intermediate_size": 384,
             "rope_theta": 100.0, "initializer_range": 0.1},
        eos_token_id=99, max_text_length=16,
    )  # fmt: skip
    vq = MagvitV2(
        channels=8, channel_multipliers=(1, 1), encoder_blocks=(1, 1), decoder_blocks=(1, 1), bits=10, norm_groups=4
    )
    return ShowoPipeline(tokenizer(), showo.eval(), vq.eval())


def test_a_step_shows_guess_masked_positions_and_confidence_of_every_path():
    session = pipeline().start(PROMPT, [0, 1, 2], steps=6, seed=1)
    first = session.step()
    assert (first.index, first.paths) == (0, (0, 1, 2))
    assert first.codes.shape == first.masked.shape == first.confidence.shape == (3, 16)
    assert first.masked.sum(1).tolist() == [15, 15, 15]
    assert ((first.confidence > 0) & (first.confidence <= 1)).all()

    second = session.step()
    kept = ~first.masked
    assert torch.equal(second.codes[kept], first.codes[kept])
    assert (second.confidence[kept] == 1).all()
    assert (second.confidence[first.masked] < 1).all()


def test_after_the_last_step_one_token_is_masked_and_the_guess_is_the_image():
    session = pipeline().start(PROMPT, [0, 1], steps=4)
    while not session.done:
        step = session.step()
    assert step.index == 3
    assert step.masked.sum(1).tolist() == [1, 1]
    images = session.decode(step.codes)
    assert images.shape == (2, 16, 16, 3)
    assert images.dtype == np.uint8
    with pytest.raises(RuntimeError, match="finished"):
        session.step()


def test_fast_and_plain_forms_paint_the_same_codes():
    for guidance in (0.0, 1.75):
        fast, plain = (
            painted(pipeline().start(PROMPT, range(4), steps=6, guidance=guidance, form=form))
            for form in ("fast", "plain")
        )
        for path in range(4):
            assert [step[:3] for step in fast[path]] == [step[:3] for step in plain[path]]


def test_fast_and_plain_forms_repaint_the_same_codes():
    context = Correction(list(range(16)), "w7 w8")
    for keep_image in (False, True):
        fast, plain = (
            painted(pipeline().start(PROMPT, [0, 1], 6, context=context, keep_image=keep_image, form=form))
            for form in ("fast", "plain")
        )
        assert [step[:3] for step in fast[1]] == [step[:3] for step in plain[1]]


def test_a_critique_changes_the_image_and_so_does_the_choice_of_the_unconditional_branch():
    def final(**given):
        return painted(pipeline().start(PROMPT, [0], 6, **given))[0][-1][1]

    context = Correction(list(range(16)), "w7 w8")
    images = [
        final(),
        final(context=context),
        final(context=Correction(context.prompt_codes, "w9")),
        final(context=Correction(context.prompt_codes[::-1], "w7 w8")),
        final(context=context, keep_image=True),
    ]
    assert len({tuple(image) for image in images}) == len(images)


def test_path_i_is_the_same_whatever_the_other_paths_are(mini):
    together = painted(mini.start(PROMPT, range(8), steps=6, seed=3))
    for paths in ([0], [5], [5, 2], [7, 6, 5, 4, 3]):
        apart = painted(mini.start(PROMPT, paths, steps=6, seed=3))
        assert apart == {path: together[path] for path in paths}


def test_path_i_is_the_same_whoever_is_dropped(mini):
    together = painted(mini.start(PROMPT, range(6), steps=6, seed=3))
    session = mini.start(PROMPT, range(6), steps=6, seed=3)
    seen = {path: [] for path in range(6)}
    for dropped in ([], [0, 4], [], [1], [], []):
        step = session.step()
        for row, path in enumerate(step.paths):
            seen[path].append(
                (step.index, step.codes[row].tolist(), step.masked[row].tolist(), step.confidence[row].tolist())
            )
        session.drop(dropped)
    assert session.done
    assert [len(steps) for steps in seen.values()] == [2, 4, 6, 6, 2, 6]
    for path, steps in seen.items():
        assert steps == together[path][: len(steps)]


def test_one_path_a_pass_paints_the_same(mini):
    assert painted(mini.start(PROMPT, range(4), 6, paths_per_pass=1)) == painted(mini.start(PROMPT, range(4), 6))


@pytest.fixture
def rows_computed(monkeypatch) -> list[int]:
    """How many image blocks each forward pass of the small generator has; blank ones that are the same count once."""
    rows, compute = [], Showo.image_logits

    def counted(self, canvas, **given):
        rows.append(len(canvas))
        return compute(self, canvas, **given)

    monkeypatch.setattr(Showo, "image_logits", counted)
    return rows


def test_a_dropped_path_leaves_the_batch_at_once_and_its_passes_are_saved(rows_computed):
    session = pipeline().start(PROMPT, [0, 1, 2], steps=6)
    session.step()
    session.drop([1])
    assert session.live == (0, 2)
    assert session.step().paths == (0, 2)
    painted(session)
    assert rows_computed == [2, *[2 * 2] * 5]


def test_a_restored_path_goes_on_exactly_where_it_stopped(rows_computed):
    whole = painted(pipeline().start(PROMPT, range(3), steps=6, seed=5))
    session = pipeline().start(PROMPT, range(3), steps=6, seed=5)
    first = [session.step(), session.step()]
    session.drop([1])
    rest = painted(session)
    assert 1 not in rest
    rows_computed.clear()

    session.restore(1)
    assert not session.done
    assert session.taken(1) == 2
    resumed = painted(session)
    assert set(resumed) == {1}
    assert resumed[1] == whole[1][2:]
    assert [step.index for step in first] == [0, 1]
    assert rows_computed == [2] * 4


def test_a_restored_path_catches_up_before_the_others_go_on():
    whole = painted(pipeline().start(PROMPT, range(2), steps=6))
    session = pipeline().start(PROMPT, range(2), steps=6)
    session.drop([0])
    session.step(), session.step()
    session.restore(0)
    assert [(step.index, step.paths) for step in (session.step() for _ in range(3))] == [
        (0, (0,)),
        (1, (0,)),
        (2, (0, 1)),
    ]
    assert painted(session)[0] == whole[0][3:]


def test_a_forward_pass_has_no_more_paths_than_it_may(rows_computed, monkeypatch):
    decoded, decode = [], MagvitV2.images

    def counted(self, codes, grid):
        decoded.append(len(codes))
        return decode(self, codes, grid)

    monkeypatch.setattr(MagvitV2, "images", counted)
    session = pipeline().start(PROMPT, range(5), steps=3, guidance=0, paths_per_pass=2)
    *_, last = session
    session.decode(last.codes)
    assert rows_computed[3:] == [2, 2, 1] * 2 and max(rows_computed) <= 2
    assert decoded == [2, 2, 1]


def test_a_session_draws_from_the_likeliest_codes_alone_where_it_is_told_to():
    def first(top_k: int) -> list[float]:
        return pipeline().start(PROMPT, range(8), steps=2, seed=1, top_k=top_k).step().confidence.flatten().tolist()

    surest, whole = first(1), first(0)
    assert all(best >= drawn for best, drawn in zip(surest, whole)) and sum(surest) > 1.2 * sum(whole)
    assert max(surest) < 1  # a code's probability is that among all, however few are drawn from


def test_dropping_every_path_ends_the_painting():
    session = pipeline().start(PROMPT, [0, 1], steps=6)
    session.drop(session.live)
    assert session.done
    assert session.live == ()


def test_without_guidance_a_step_is_one_pass(rows_computed):
    session = pipeline().start(PROMPT, [0, 1], steps=4, guidance=0)
    painted(session)
    assert rows_computed == [1, *[2] * 3]


def test_the_released_annealing_gives_only_the_first_path_noise():
    def paint(annealing, temperature):
        given = {"steps": 6, "annealing": annealing, "temperature": temperature}
        return painted(pipeline().start(PROMPT, [0, 1], **given))

    released = paint("released", 5.0)
    assert released[0] == paint("compounding", 5.0)[0]
    assert released[1] == paint("compounding", 0.0)[1]
    assert released[1] != paint("compounding", 5.0)[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"paths": []}, "at least one path"),
        ({"paths": [0, 0]}, "each path once"),
        ({"steps": 0}, "1 to 1000 steps"),
        ({"steps": 10**9}, "1 to 1000 steps"),
        ({"guidance": -1.0}, "guidance"),
        ({"temperature": float("nan")}, "temperature"),
        ({"annealing": "slow"}, "compounding"),
        ({"schedule": "slow"}, "cosine"),
        ({"context": Correction([1, 2], "w1")}, "16 tokens"),
        ({"context": Correction([64] * 16, "w1")}, "0 to 63"),
    ],
)
def test_settings_that_make_no_painting_are_refused_in_words(given, words):
    with pytest.raises(UserError, match=words):
        pipeline().start(**{"prompt": PROMPT, "paths": [0]} | given)


def test_going_on_after_a_step_keeps_what_it_kept_and_paints_the_rest_anew(mini):
    session = mini.start([PROMPT, "w6"], range(2), steps=6, seed=3)
    state = [session.step() for _ in range(4)][-1]
    again = mini.start([PROMPT, "w6"], range(2), steps=6, seed=4, after=state)
    assert again.taken(0) == again.taken(1) == 4
    ends = painted(session), painted(again)
    kept = ~state.masked
    for path in range(2):
        assert [step[0] for step in ends[1][path]] == [4, 5]
        first, other = (torch.tensor(end[path][-1][1]) for end in ends)
        assert torch.equal(other[kept[path]], state.codes[path][kept[path]])
        assert not torch.equal(first, other)


def test_going_on_with_the_chance_of_the_painting_itself_ends_as_it_does(mini):
    sampler = PathSampler.from_seed(3, range(2))
    session = mini.start(PROMPT, range(2), steps=6, sampler=sampler)
    state = [session.step() for _ in range(3)][-1]
    again = painted(mini.start(PROMPT, range(2), steps=6, after=state, sampler=sampler))
    whole = painted(mini.start(PROMPT, range(2), steps=6, seed=3))
    assert again == {path: steps[3:] for path, steps in whole.items()}


def test_a_step_that_does_not_fit_is_refused():
    session = pipeline().start(PROMPT, [0, 1], steps=6)
    steps = session.step(), session.step()
    for given in ({"paths": [0]}, {"steps": 4}, {"steps": 1}, {"schedule": "linear"}):
        with pytest.raises(UserError, match="same settings"):
            pipeline().start(PROMPT, **{"paths": [0, 1], "steps": 6, "after": steps[1]} | given)


def test_each_path_can_repaint_an_image_of_its_own(mini):
    contexts = [Correction(list(range(64)), "w7"), Correction(list(range(64, 128)), "w8 w9")]
    together = painted(mini.start(PROMPT, range(2), 4, 0.0, context=contexts))
    apart = [painted(mini.start(PROMPT, [path], 4, 0.0, context=contexts[path]))[path] for path in range(2)]
    for path in range(2):
        assert [step[:3] for step in together[path]] == [step[:3] for step in apart[path]]
    with pytest.raises(UserError, match="2 contexts were given for 3 paths"):
        mini.start(PROMPT, range(3), context=contexts)
    with pytest.raises(UserError, match="one image for all paths"):
        mini.start(PROMPT, range(2), context=contexts, keep_image=True)


def test_a_path_of_another_painting_is_refused():
    session = pipeline().start(PROMPT, [3, 4], steps=4)
    with pytest.raises(ValueError, match=r"\[3, 4\], not \[0\]"):
        session.drop([0])
    with pytest.raises(ValueError, match="not"):
        session.restore(0)


def test_calling_the_pipeline_is_the_golden_run_of_the_reference():
    run = golden_json("sampling")["trajectories"]["small_b2_cos6"]
    prompts = [" ".join(f"w{word}" for word in prompt) for prompt in golden_json("sampling")["small_prompts"]]
    generator = torch.Generator().manual_seed(run["seed"])
    codes = pipeline()(prompts, run["steps"], run["guidance"], generator, output_type="latent").images
    assert torch.equal(codes, golden("sampling")["small_b2_cos6.sampled_ids"][-1])


def test_the_pipeline_follows_the_call_conventions_of_diffusers():
    seen = []

    def watch(pipe, step, timestep, tensors):
        assert pipe is pipeline()
        seen.append((step, tensors["masked"].sum().item()))

    call = {"num_inference_steps": 4, "num_images_per_prompt": 2}
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3, 4)]
    images = pipeline()(
        [PROMPT, "w9"], **call, generator=generators,
        callback_on_step_end=watch, callback_on_step_end_tensor_inputs=["masked"],
    ).images  # fmt: skip
    assert [image.size for image in images] == [(16, 16)] * 4
    assert [step for step, _ in seen] == [0, 1, 2, 3]

    (again,) = pipeline()("w9", **call, generator=[torch.Generator().manual_seed(seed) for seed in (3, 4)],
                          output_type="np", return_dict=False)  # fmt: skip
    assert again.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(np.asarray(images[2]), (again[0] * 255).round().astype(np.uint8))
    assert pipeline()("w9", **call, output_type="pt").images.shape == (2, 3, 16, 16)


def test_a_call_can_be_interrupted_and_returns_its_guess():
    def stop(pipe, step, timestep, tensors):
        pipe._interrupt = step == 1
        stop.codes = tensors["codes"]

    codes = pipeline()(PROMPT, 6, output_type="latent", callback_on_step_end=stop).images
    assert torch.equal(codes, stop.codes)


def test_a_call_refuses_arguments_at_odds():
    with pytest.raises(ValueError, match="2 generators for 1 images"):
        pipeline()(PROMPT, 4, generator=[torch.Generator(), torch.Generator()])
    with pytest.raises(ValueError, match="callback"):
        pipeline()(PROMPT, 4, callback_on_step_end_tensor_inputs=["latents"])
    with pytest.raises(ValueError, match="output_type"):
        pipeline()(PROMPT, 4, output_type="gif")
    with pytest.raises(ValueError, match="at least one prompt"):
        pipeline()([], 4)


def test_components_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="ends a text"):
        ShowoPipeline(tokenizer(), Showo.from_config(small().config, **SMALL_TEXT | {"eos_token_id": 98}), magvit())
    with pytest.raises(ValueError, match="1024 codes"):
        ShowoPipeline(tokenizer(), small(), MagvitV2(bits=10, channels=32, channel_multipliers=(1,),
                                                     encoder_blocks=(1,), decoder_blocks=(1,)))  # fmt: skip


def test_a_saved_pipeline_paints_the_same_with_its_own_default_settings(tmp_path):
    pipe = ShowoPipeline(tokenizer(), small(), magvit(), steps=5, guidance=0.5, temperature=6.0, annealing="linear")
    pipe.save_pretrained(tmp_path)
    again = ShowoPipeline.from_pretrained(tmp_path)
    assert again.settings() == pipe.settings()
    assert again.settings(steps=3).steps == 3
    before, after = pipe.start(PROMPT, [0, 1]), again.start(PROMPT, [0, 1])
    assert before.steps == 5
    assert painted(before) == painted(after)
