"""What is written about the code: tables as the code would write them, links that lead somewhere."""

from __future__ import annotations

import re

import pytest

from cotdemo import cli, docs
from cotdemo.errors import UserError
from cotdemo.evaluation.results import OVERALL, paper
from cotdemo.registry import METHODS, MODELS, refusal
from cotdemo.settings import SETTINGS

PAGES = [docs.ROOT / "README.md", *sorted((docs.ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", docs.FILES)
def test_the_tables_are_those_that_the_code_writes(name):
    text = (docs.ROOT / name).read_text(encoding="utf-8")
    assert docs.written(text) == text, "run: python -m cotdemo docs"


def test_the_command_writes_them(tmp_path, capsys):
    for name in docs.FILES:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("a\n<!-- generated: methods -->\nold\n<!-- end -->\nb\n", encoding="utf-8")
    assert cli.main(["docs", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("written") == len(docs.FILES)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("a\n") and text.endswith("b\n") and "old" not in text and "`parm++`" in text
    assert cli.main(["docs", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("unchanged") == len(docs.FILES)


def test_a_table_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="no table wishes"):
        docs.written("<!-- generated: wishes -->\n<!-- end -->")


def test_the_trace_is_described_with_every_setting_method_and_model():
    text = (docs.ROOT / "docs" / "trace.md").read_text(encoding="utf-8")
    for name in (*SETTINGS, *METHODS, *MODELS):
        assert f"| `{name}` |" in text


def test_the_published_figures_are_the_papers_of_what_the_released_weights_offer():
    rows = dict(re.findall(r"^\| `--method (.+)` \|.*\| (\S+) \|$", docs.published(), re.MULTILINE))
    asked = [tuple(words.split(" --model ")) for words in rows]
    assert len(asked) == 9 and not any(refusal(method, model, "show-o") for method, model in asked)
    assert float(rows["baseline --model base"]) == paper()["show-o"][OVERALL] == 0.53
    assert float(rows["parm --model dpo-iter-parm"]) == paper()["dpo-iter-parm+parm"][OVERALL] == 0.77
    text = (docs.ROOT / "docs" / "released.md").read_text(encoding="utf-8")
    assert f"Expect {rows['baseline --model dpo']} of `--model dpo`" in text and ".68 at 512" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    dead = [link for link in targets if "://" not in link and not (page.parent / link).exists()]
    assert dead == []
