"""What is there for all is shared: places in the line, what may be asked for in a minute, uploads."""

from __future__ import annotations

import contextlib

import gradio as gr
import pytest
from gradio.context import LocalContext
from page_double import Double

from cotdemo.errors import UserError
from cotdemo.ui.comparison import Comparing
from cotdemo.ui.endpoints import Endpoints
from cotdemo.ui.handlers import Handlers
from cotdemo.ui.queue import MOST, OF_ADDRESS, OF_SESSION, Line
from cotdemo.ui.session import Run, Runs
from cotdemo.ui.visitors import Allowance, Visitor, address_of

PROMPT = "a photo of a red car and a blue bus"
FORM = (PROMPT, {"method": "parm", "model": "base"}, 3, 5, 0.5, 1.0, 7, False)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("93.184.216.34", "", "93.184.216.34"),
        ("93.184.216.34", "1.1.1.1", "93.184.216.34"),  # whoever connects from outside speaks for nobody else
        ("10.0.3.7", "1.1.1.1, 8.8.8.8, 10.0.0.1", "8.8.8.8"),  # what the proxy saw, not what the client wrote before
        ("127.0.0.1", "not an address, 8.8.8.8", "8.8.8.8"),
        ("::ffff:93.184.216.34", "", "93.184.216.34"),
        ("2606:4700:1:2:3:4:5:6", "", "2606:4700:1:2::/64"),
        ("127.0.0.1", "", ""),
        ("192.168.1.5", "192.168.1.6", ""),
        ("testclient", "", ""),
        ("", "," * 100_000, ""),
    ],
)
def test_the_address_of_a_visitor_is_a_public_one_or_none(peer, forwarded, address):
    assert address_of(peer, forwarded) == address


def test_an_allowance_is_for_each_and_comes_back_with_time():
    now = [0.0]
    allowance = Allowance(10, seconds=60, clock=lambda: now[0])
    assert allowance.take("a", 6) == 0 and allowance.take("b", 10) == 0
    now[0] = 20
    assert allowance.take("a", 4) == 0
    assert allowance.take("a", 1) == 40 and allowance.take("a", 7) == 60  # of the first six, of all
    assert allowance.take("a", 11) == 60  # never
    now[0] = 60
    assert allowance.take("a", 6) == 0 and allowance.take("b", 10) == 0
    assert allowance.take("a", 1) == 20


@contextlib.contextmanager
def places(line: Line, visitors):
    with contextlib.ExitStack() as stack:
        for visitor in visitors:
            stack.enter_context(line.place(visitor))
        yield


def refused(line: Line, visitor: Visitor, work: int = 0) -> str:
    with pytest.raises(UserError) as raised, line.place(visitor, work):
        pass
    return str(raised.value)


def test_a_session_has_two_places_and_others_still_find_one():
    line = Line()
    with places(line, [Visitor("a")] * OF_SESSION):
        assert "of yours" in refused(line, Visitor("a"))
        with line.place(Visitor("b")) as place:
            assert place.before == OF_SESSION == 2
    with line.place(Visitor("a")) as place:
        assert place.before == 0


def test_an_address_has_some_of_the_places_whatever_its_sessions():
    line = Line()
    with places(line, [Visitor(str(number), "8.8.8.8") for number in range(OF_ADDRESS)]):
        assert "from your address" in refused(line, Visitor("new", "8.8.8.8"))
        assert "from your address" in refused(line, Visitor("", "8.8.8.8"))
        with line.place(Visitor("new", "1.1.1.1")):
            pass
    assert 2 * OF_ADDRESS < MOST


def test_who_is_not_known_is_not_counted():
    line = Line()
    with places(line, [Visitor()] * MOST):
        assert "no more fit" in refused(line, Visitor())


def test_what_a_visitor_asks_for_in_a_minute_is_bounded_in_words():
    line = Line(work=100)
    with line.place(Visitor("a", "8.8.8.8"), 90):
        pass
    words = refused(line, Visitor("b", "8.8.8.8"), 20)
    assert "100 paths x steps a minute" in words and "Try again in 60 s" in words
    for visitor in (Visitor("a", "1.1.1.1"), Visitor("a", "")):
        with line.place(visitor, 90):
            pass


# -- what visitors ask by


@pytest.fixture
def handlers():
    return Handlers("mini", lambda: Double(pace=0))


@pytest.fixture
def asks():
    """Lets what follows be asked for by somebody."""

    def by(session: str, host: str = "127.0.0.1", **headers: str) -> Visitor:
        request = gr.Request(session_hash=session, client={"host": host}, headers=headers)
        LocalContext.request.set(request)
        return Visitor.here()

    yield by
    LocalContext.request.set(None)


def told(updates) -> str:
    return [update["viewer"] for update in updates if "viewer" in update][-1]


def test_a_visitor_is_who_has_asked(asks):
    assert Visitor.here() == Visitor()
    assert asks("s", "8.8.8.8") == Visitor("s", "8.8.8.8")
    assert asks("s", "10.1.1.1", **{"x-forwarded-for": "1.1.1.1"}) == Visitor("s", "1.1.1.1")
    assert asks("s", "10.1.1.1") == Visitor("s")


def test_pages_clients_and_comparisons_take_their_visitors_places(handlers, asks):
    asks("mine")
    painted = list(handlers.paint(*FORM))
    run_id = next(update["run_id"] for update in painted if "run_id" in update)
    with places(handlers.line, [Visitor("mine")] * OF_SESSION):
        assert "of yours" in told(handlers.paint(*FORM))
        assert "of yours" in told(handlers.reflect_anyway(run_id))
        with pytest.raises(gr.Error, match="of yours"):
            Endpoints(handlers).painted(PROMPT)
        *_, last = Comparing(handlers).compare(PROMPT, ["baseline/base"], 2, 1)
        assert "of yours" in last["board"]
    assert "RunFinished" in told(handlers.reflect_anyway(run_id))


def kept(runs: Runs, many: int, held: int = 10) -> list[Run]:
    made = [Run() for _ in range(many)]
    for run in made:
        run.held = held
        runs.add(run)
    return made


def left(runs: Runs, made: list[Run]) -> list[int]:
    return [number for number, run in enumerate(made) if runs.get(run.id)]


def test_runs_of_one_visitor_do_not_make_those_of_others_go(asks):
    runs = Runs(most=6, most_bytes=1000)
    asks("a", "8.8.8.8")
    own = kept(runs, 2)
    asks("b", "1.1.1.1")
    many = kept(runs, 50)
    assert left(runs, own) == [0, 1] and left(runs, many) == [46, 47, 48, 49]
    large = kept(runs, 30, held=240)  # by its own bytes
    assert left(runs, own) == [0, 1] and left(runs, large) == [26, 27, 28, 29]
    asks("a", "8.8.8.8")
    further = kept(runs, 1)
    assert left(runs, further) == [0] and left(runs, own) == [0, 1] and left(runs, large) == [27, 28, 29]


def test_runs_of_whom_nothing_is_known_go_by_their_last_use(asks):
    runs = Runs(most=3)
    made = kept(runs, 3)
    runs.get(made[0].id)
    made += kept(runs, 1)
    assert left(runs, made) == [0, 2, 3]


def test_a_run_is_kept_for_whoever_asked_for_it(handlers, asks):
    asks("a", "8.8.8.8")
    run_id = next(update["run_id"] for update in handlers.paint(*FORM) if "run_id" in update)
    answer = Endpoints(handlers).painted(PROMPT, paths=1, steps=2)
    asks("b", "1.1.1.1")
    list(handlers.reflect_anyway(run_id))
    assert handlers.runs.get(run_id).owner == answer.run.owner == "8.8.8.8"


def test_what_is_painted_counts_for_the_address_by_all_ways(handlers, asks):
    handlers.line = Line(work=40)
    asks("a", "8.8.8.8")
    assert "RunFinished" in told(handlers.paint(*FORM))  # 3 x 5
    answer = Endpoints(handlers).painted(PROMPT, paths=2, steps=6)
    asks("b", "8.8.8.8")
    with pytest.raises(gr.Error, match="paths x steps a minute"):
        Endpoints(handlers).painted(PROMPT, paths=2, steps=7)
    Endpoints(handlers).reflected(answer.run.trace(), anyway=True)
    with pytest.raises(gr.Error, match="paths x steps a minute"):
        Endpoints(handlers).painted(PROMPT, paths=1, steps=2)
    asks("c", "1.1.1.1")
    assert "RunFinished" in told(handlers.paint(*FORM))
