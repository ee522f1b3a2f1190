import shutil
import subprocess

import pytest
from plotly.offline import get_plotlyjs

from trader.report.html import report_html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--virtual-time-budget=3000")
ATTACK = "<img src=x onerror=document.title='attacked'>"


def rendered(page):
    log = "--enable-logging=stderr"
    done = subprocess.run(
        [BROWSER, *FLAGS, log, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_a_browser_draws_every_chart_without_a_word_on_the_console(tmp_path, make_result):
    page = tmp_path / "report.html"
    page.write_text(report_html(make_result(assets=(ATTACK, "b"))))
    drawn, console = rendered(page)
    assert console == []
    assert 'data-drawn="2"' in drawn
    assert drawn.count('class="js-line"') > 10
    assert drawn.count("legendtoggle") > 10
    assert "NaN" not in drawn.replace(get_plotlyjs(), "")
    assert "<title>attacked" not in drawn


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_browser_runs_no_changed_script(tmp_path, make_result):
    page = tmp_path / "report.html"
    page.write_text(report_html(make_result()).replace('"use strict";\n//', '"use strict"; document.title = "x";\n//'))
    drawn, console = rendered(page)
    assert any("Content Security Policy" in line for line in console)
    assert 'data-drawn="2"' not in drawn
