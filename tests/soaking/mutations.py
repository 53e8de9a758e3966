"""Sixty ways to break search, decoding, session, queue and codec, and the tests that should notice each.

``text`` stands in its file exactly once (tests/test_soak.py holds the list to that), and ``instead`` is what somebody
in a hurry might have written. Each is a change of behaviour: none that no test could tell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """``tests`` are arguments of pytest, below ``tests/``."""

    name: str
    file: str  # below cotdemo/
    text: str
    instead: str
    tests: tuple[str, ...]


def _of(file: str, tests: str, *mutations: tuple[str, str, str, str]) -> list[Mutation]:
    """Mutations of one file; each names its tests in the file ``tests``, separated by blanks."""
    return [
        Mutation(name, file, text, instead, tuple(f"{tests}::{test}" for test in noticing.split()))
        for name, text, instead, noticing in mutations
    ]


SEARCH = [
    *_of(
        "search/best_of_n.py", "test_search.py",
        (
            "the plain generator answers with the last path",
            "return (yield from round.finish(0, (0,), None))",
            "return (yield from round.finish(run.settings.paths - 1, (0,), None))",
            "test_the_plain_generator_answers_with_path_0_and_asks_nobody",
        ),
        (
            "the PRM ranks by the last guess alone",
            "key=lambda path: mean(run.rule.score(answer) for answer in said[path])",
            "key=lambda path: run.rule.score(said[path][-1])",
            "test_a_process_reward_model_ranks_by_the_mean_of_all_guesses",
        ),
    ),
    *_of(
        "search/parm.py", "test_search.py",
        (
            "a clear path is asked for its clarity again",
            "[path for path in asked if path not in known.clear]",
            "asked",
            "test_a_path_whose_potential_is_unanswered_is_asked_again",
        ),
        (
            "a pruned path stays in the batch",
            "round.session.drop([answer.path for answer in hopeless])",
            "round.session.drop([])",
            "test_a_pruned_path_leaves_the_batch_at_once",
        ),
        (
            "without survivors the most hopeless path is finished",
            "path = min(round.paths, key=lambda path: known.p_no.get(path, NEVER_CLEAR))",
            "path = max(round.paths, key=lambda path: known.p_no.get(path, NEVER_CLEAR))",
            "test_without_survivors_the_least_hopeless_path_is_restored_and_finished",
        ),
        (
            "an unanswered potential settles a path",
            "if rule.asked_once else set(self.promising)",
            "if True else set(self.promising)",
            "test_a_path_whose_potential_is_unanswered_is_asked_again",
        ),
        (
            "the released rule judges its fallback, too",
            "(yield from round.best([path]))[1] if rule.judges_fallback else None",
            "(yield from round.best([path]))[1]",
            "test_by_the_original_rules_a_search_agrees_with_the_released_code",
        ),
    ),
    *_of(
        "search/stopping.py", "test_stopping.py",
        (
            "a path at the threshold itself is stopped",
            "return potential.p_yes >= self.least",
            "return potential.p_yes > self.least",
            "test_lenient_rules_go_by_the_probability_whatever_the_answer",
        ),
        (
            "survivors come in no order",
            "return sorted(live if self.unclear_wins else promising)",
            "return list(live if self.unclear_wins else promising)",
            "test_survivors_come_in_the_order_of_their_numbers",
        ),
    ),
    *_of(
        "search/rounds.py", "test_search.py",
        (
            "the worst of the survivors wins",
            "path = max(paths, key=lambda path: self.run.rule.score(outcomes[path]))",
            "path = min(paths, key=lambda path: self.run.rule.score(outcomes[path]))",
            "test_orm_takes_the_final_image_with_the_highest_p_yes",
        ),
        (
            "later rounds draw by the same seed",
            "return seed if number == 0 else",
            "return seed if number >= 0 else",
            "test_a_wrong_image_is_criticised_and_repainted_by_the_self_correcting_model",
        ),
        (
            "stopped paths go to the checker as well",
            "finals = [guess for guess in self.guesses.values() if guess.step == self.last_step]",
            "finals = list(self.guesses.values())",
            "test_final_images_go_to_the_checker_and_stopped_paths_do_not",
        ),
        (
            "answers are read from the first rows of a look",
            "[seen.index(path) for path in paths]",
            "list(range(len(paths)))",
            "test_a_pruned_path_leaves_the_batch_at_once",
        ),
        (
            "a generator's NaN is taken for a confidence",
            "if not math.isfinite(sum(confidence)):",
            "if False:",
            "test_a_generator_whose_probabilities_are_nan_ends_the_run",
        ),
    ),
    *_of(
        "search/rounds.py", "test_regions.py",
        (
            "steps that a repainting never had count as saved",
            "s.paths * (s.steps - self.first_step) * self.passes_per_step - spent",
            "s.paths * s.steps * self.passes_per_step - spent",
            "test_a_repainting_without_pruning_saves_nothing",
        ),
    ),
    *_of(
        "search/reflection.py", "test_search.py",
        (
            "a repainting that is only as good takes the place",
            "if rank(candidate.outcome) > rank(best.outcome):",
            "if rank(candidate.outcome) >= rank(best.outcome):",
            "test_of_two_images_that_are_as_good_the_earlier_one_stays",
        ),
        (
            "a critique goes on without end",
            "yield line[:MAX_CRITIQUE]",
            "yield line",
            "test_a_judge_that_does_not_end_its_sentence_is_cut_off",
        ),
    ),
    *_of(
        "search/entry.py", "test_search.py",
        (
            "an image out of a trace is trusted",
            "return Chosen(replace(winner, picture=image), chosen.outcome)",
            "return Chosen(winner, chosen.outcome)",
            "test_reflect_goes_by_the_codes_of_a_trace_and_not_by_the_image_that_it_shows",
        ),
        (
            "a trace of other weights is reflected on",
            "other = [name for name in started.weights if started.weights[name] != backend.weights.get(name)]",
            "other = []",
            "test_reflect_refuses_what_it_cannot_work_on",
        ),
    ),
]  # fmt: skip

DECODING = [
    *_of(
        "generator/mask_predict.py", "test_decoding.py",
        (
            "the surest tokens are masked again",
            "lowest = ranked.topk(masked, largest=False).indices",
            "lowest = ranked.topk(masked, largest=True).indices",
            "test_a_step_keeps_known_tokens_and_masks_the_least_confident_new_ones",
        ),
        (
            "known tokens are drawn anew",
            "codes = torch.where(unknown, sampled, canvas)",
            "codes = sampled.clone()",
            "test_a_step_keeps_known_tokens_and_masks_the_least_confident_new_ones",
        ),
        (
            "guidance is one too weak",
            "return unconditional.float().lerp(conditional.float(), 1.0 + guidance)",
            "return unconditional.float().lerp(conditional.float(), guidance)",
            "test_both_forms_replay_recorded_draws",
        ),
    ),
    *_of(
        "generator/chance.py", "test_decoding.py",
        (
            "a code of probability 0 can be drawn",
            "codes = torch.searchsorted(cumulative, target, right=True)[..., 0]",
            "codes = torch.searchsorted(cumulative, target, right=False)[..., 0]",
            "test_drawing_inverts_the_cumulative_distribution_and_never_picks_the_impossible",
        ),
        (
            "all paths draw alike",
            'f"{seed}/{path}".encode()',
            'f"{seed}".encode()',
            "test_paths_and_seeds_draw_differently",
        ),
    ),
    *_of(
        "generator/schedule.py", "test_decoding.py",
        (
            "a step may keep no new token",
            "unknown = max(1, min(unknown - 1, count))",
            "unknown = max(1, min(unknown, count))",
            "test_more_steps_than_tokens_keep_one_token_a_step_and_then_wait_with_one_masked",
        ),
        (
            "the released annealing gives no path noise",
            'if annealing == "released" and path > 0:',
            'if annealing == "released" and path >= 0:',
            "test_annealing_rules",
        ),
    ),
    *_of(
        "generator/session.py", "test_pipeline.py",
        (
            "those furthest ahead take the next step",
            "index = min(self._taken[path] for path in self._live)",
            "index = max(self._taken[path] for path in self._live)",
            "test_a_restored_path_catches_up_before_the_others_go_on",
        ),
        (
            "the temperature of the first step stays",
            "[[order.temperatures[path][index]] for path in paths]",
            "[[order.temperatures[path][0]] for path in paths]",
            "test_calling_the_pipeline_is_the_golden_run_of_the_reference",
        ),
        (
            "noise is drawn before the codes",
            "        sampled = self._sampler.codes(likeliest(probs, self._top_k), paths, index)\n"
            "        noise = self._sampler.noise(probs, paths, index)\n",
            "        noise = self._sampler.noise(probs, paths, index)\n"
            "        sampled = self._sampler.codes(likeliest(probs, self._top_k), paths, index)\n",
            "test_calling_the_pipeline_is_the_golden_run_of_the_reference",
        ),
        (
            "codes are drawn from all, whatever top_k is",
            "sampled = self._sampler.codes(likeliest(probs, self._top_k), paths, index)",
            "sampled = self._sampler.codes(probs, paths, index)",
            "test_a_session_draws_from_the_likeliest_codes_alone_where_it_is_told_to",
        ),
        (
            "the bound of a forward pass is forgotten",
            "size = self._per_pass or len(paths)",
            "size = len(paths)",
            "test_a_forward_pass_has_no_more_paths_than_it_may",
        ),
        (
            "a step that a session goes on after is taken again",
            "self._taken = dict.fromkeys(self._row, after.index + 1)",
            "self._taken = dict.fromkeys(self._row, after.index)",
            "test_going_on_after_a_step_keeps_what_it_kept_and_paints_the_rest_anew",
        ),
    ),
    *_of(
        "generator/showo_generator.py", "test_pipeline.py",
        (
            "the prefixes of a batch that has changed are kept",
            "if tuple(rows) != self._selected:",
            "if not self._selected:",
            "test_path_i_is_the_same_whoever_is_dropped",
        ),
    ),
    *_of(
        "generator/protocol.py", "test_regions.py",
        (
            "few marked tokens take as many steps as an image",
            "left = min(int(masked.sum(1)[0]), total - 1, most or total)",
            "left = total - 1",
            "test_fewer_tokens_take_fewer_steps",
        ),
    ),
]  # fmt: skip

SESSION = [
    *_of(
        "ui/session.py", "test_session.py",
        (
            "a load that is under way is begun once more",
            "if self.ready or self._loading:",
            "if self.ready:",
            "test_a_backend_is_loaded_once_though_many_ask_while_it_loads",
        ),
        (
            "a stop returns while the search goes on",
            "        stop.set()\n        thread.join()\n",
            "        stop.set()\n",
            "test_stopping_closes_the_search_before_it_returns",
        ),
        (
            "a stopped search is left open",
            "                events.close()\n",
            "                pass\n",
            "test_a_stopped_search_is_closed_though_somebody_still_holds_it",
        ),
        (
            "every event is a message of its own",
            "due = max(sent + FLUSH, time.perf_counter() + BURST)",
            "due = time.perf_counter()",
            "test_events_that_come_together_are_sent_together",
        ),
        (
            "messages of progress are kept in traces",
            "self._hold(event_text(event), is_kept(event))",
            "self._hold(event_text(event), True)",
            "test_a_kept_run_gives_the_trace_that_its_events_give",
        ),
        (
            "the texts that a run holds are not counted",
            "self.held += sys.getsizeof(text) + 16",
            "self.held += 16",
            "test_an_opened_trace_is_held_in_little_more_than_its_file_and_counted_in_full",
        ),
        (
            "a run at rest holds its records",
            '        """No more events come for now."""\n        self._state = None\n',
            '        """No more events come for now."""\n',
            "test_a_run_at_rest_holds_none_of_its_records_whoever_has_looked_at_it",
        ),
        (
            "a run that was looked at is no more recent for it",
            "            self._runs.move_to_end(id)\n            return self._runs[id]\n",
            "            return self._runs[id]\n",
            "test_the_run_that_was_looked_at_last_is_dropped_last",
        ),
        (
            "a run that was stopped once stops for ever",
            "        self.stop.clear()\n",
            "",
            "test_a_run_that_was_stopped_can_go_on",
        ),
        (
            "a snapshot that is sent again tells of what came after it",
            "texts = map(without_image, self._kept[: told.last])",
            "texts = map(without_image, self._kept)",
            "test_a_snapshot_that_is_given_again_is_what_it_was",
        ),
    ),
    *_of(
        "ui/session.py", "test_visitors.py",
        (
            "one visitor's runs make those of all others go",
            "del self._runs[next(run.id for run in others if run.owner == owner)]",
            "del self._runs[others[0].id]",
            "test_runs_of_one_visitor_do_not_make_those_of_others_go",
        ),
    ),
]  # fmt: skip

QUEUE = [
    *_of(
        "ui/queue.py", "test_keep.py",
        (
            "one of those who wait is woken, whoever it is",
            "self._moved.notify_all()",
            "self._moved.notify()",
            "test_all_who_wait_are_woken_when_somebody_leaves",
        ),
        (
            "who comes last is served first",
            "self._places.append(place)",
            "self._places.appendleft(place)",
            "test_places_are_given_in_the_order_they_were_asked_for",
        ),
        (
            "who leaves takes the place of the first along",
            "self._places.remove(place)",
            "self._places.popleft()",
            "test_who_leaves_from_the_middle_leaves_the_others_where_they_are",
        ),
        (
            "one more than may be is taken in",
            "if len(self._places) >= self.most:",
            "if len(self._places) > self.most:",
            "test_a_full_line_is_told_in_words",
        ),
    ),
    *_of(
        "ui/queue.py", "test_visitors.py",
        (
            "a session has three places",
            "if visitor.session and session >= OF_SESSION:",
            "if visitor.session and session > OF_SESSION:",
            "test_a_session_has_two_places_and_others_still_find_one",
        ),
        (
            "work is counted for a session, and a new one is begun at will",
            "seconds = self._work.take(visitor.address, work)",
            "seconds = self._work.take(visitor.session, work)",
            "test_what_a_visitor_asks_for_in_a_minute_is_bounded_in_words",
        ),
    ),
    *_of(
        "ui/visitors.py", "test_visitors.py",
        (
            "what was taken a minute ago still counts",
            "while self._taken and self._taken[0][0] <= now - self._seconds:",
            "while self._taken and self._taken[0][0] < now - self._seconds:",
            "test_an_allowance_is_for_each_and_comes_back_with_time",
        ),
    ),
]  # fmt: skip

CODEC = [
    *_of(
        "run/codec.py", "test_trace.py",
        (
            "fields that no event has are taken",
            "unknown = [name for name in message if name not in known]",
            "unknown = []",
            "test_every_field_is_checked",
        ),
    ),
    *_of(
        "fields.py", "test_trace.py",
        (
            "bits of tokens that are not there are taken",
            "if len(packed) != math.ceil(tokens / 8) or bits[tokens:].any():",
            "if len(packed) != math.ceil(tokens / 8):",
            "test_codes_masks_and_confidences_are_packed",
        ),
        (
            "confidences are cut instead of rounded",
            "np.rint(np.clip(np.asarray(value, float), 0, 1) * 255)",
            "np.floor(np.clip(np.asarray(value, float), 0, 1) * 255)",
            "test_codes_masks_and_confidences_are_packed",
        ),
        (
            "true is a number",
            "isinstance(value, Real) and not isinstance(value, bool) and low",
            "isinstance(value, Real) and low",
            "test_probabilities_are_finite_numbers_from_0_to_1",
        ),
        (
            "a tall image is not measured",
            "if not (1 <= width <= longest and 1 <= height <= longest):",
            "if not 1 <= width <= longest:",
            "test_images_are_measured_before_they_are_decoded",
        ),
    ),
    *_of(
        "run/trace.py", "test_trace.py",
        (
            "an event may come twice",
            'fault = _fault(state, event) or ("it comes twice" if key in once else None)',
            "fault = _fault(state, event)",
            "test_events_that_do_not_fit_together_are_refused",
        ),
        (
            "of a name that comes twice the last one counts",
            "parse_int=_short_int, object_pairs_hook=each_once",
            "parse_int=_short_int",
            "test_a_name_that_comes_twice_in_one_object_is_refused",
        ),
    ),
    *_of(
        "run/trace.py", "test_altered_traces.py",
        (
            "a trace is written that cannot be read for its size",
            "if len(head) + sum(len(text) + 1 for text in texts) > MAX_BYTES:",
            "if False:",
            "test_a_trace_that_would_be_too_large_to_be_read_is_written_without_the_images_of_steps",
        ),
    ),
]  # fmt: skip

MUTATIONS = [*SEARCH, *DECODING, *SESSION, *QUEUE, *CODEC]
