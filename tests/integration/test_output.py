"""What trials print is kept whole and in order, whoever writes it, and however its worker ends."""

import os
import subprocess
import sys
import time

import pytest


def lines(label, n):
    return "".join(f"{label} {i:06d} äöü\n" for i in range(n))


@pytest.mark.parametrize("dies", [False, True], ids=["worker lives", "worker dies"])
def test_ten_megabytes_are_kept_to_the_byte(tune, dies):
    n, filler = 50_000, "x" * 50
    big = {label: "".join(f"{label} {i} äöü {filler}\n" for i in range(n)) for label in ("print", "write", "echo")}

    def objective(params, trial):
        sys.stdout.write(big["print"])
        sys.stdout.flush()
        os.write(1, big["write"].encode())
        subprocess.run(["/bin/cat"], input=big["echo"].encode(), check=True)
        if dies and trial.attempt == 1:
            os._exit(1)
        return params["x"]

    study = tune(objective, max_trials=1, max_attempts=2, workers=1)

    expected = (big["print"] + big["write"] + big["echo"]) * (2 if dies else 1)
    log = study.log(0)
    assert len(log.encode()) > 10_000_000
    assert len(log) == len(expected)
    assert log == expected


def test_writers_of_all_kinds_keep_their_order(tune):
    def objective(params):
        for i in range(100):
            print("print", i)
            os.write(1, f"write {i}\n".encode())
            print("error", i, file=sys.stderr)
            if i % 20 == 0:
                subprocess.run(["/bin/echo", "echo", str(i)], check=True)
        return params["x"]

    study = tune(objective, max_trials=1)

    expected = ""
    for i in range(100):
        expected += f"print {i}\nwrite {i}\nerror {i}\n" + (f"echo {i}\n" if i % 20 == 0 else "")
    assert study.log(0) == expected


def test_output_goes_to_the_trial_that_wrote_it(tune):
    def objective(params, trial):
        print(f"I am {trial.id}")
        return params["x"]

    study = tune(objective, max_trials=40)

    assert [study.log(i) for i in range(40)] == [f"I am {i}\n" for i in range(40)]


def test_much_output_of_a_dying_worker_is_whole_after_a_trial_that_printed_much(tune):
    """A worker empties its file after the first trial, so that what it handed on earlier says nothing any more."""
    text = lines("second", 400_000)

    def objective(params, trial):
        if trial.id == 0:
            os.write(1, b"first " * 1_000_000)
        elif trial.attempt == 1:
            os.write(1, text.encode())
            os._exit(1)
        return params["x"]

    study = tune(objective, max_trials=2, max_attempts=2, workers=1)

    assert study.log(0) == "first " * 1_000_000
    assert len(study.log(1)) == len(text)
    assert study.log(1) == text


def test_a_character_cut_in_two_is_whole_when_the_worker_dies(tune):
    """The first half has been handed on when the worker dies; the parent reads the second half from the file."""

    def objective(params, trial):
        if trial.attempt == 1:
            a, b = "ä".encode()[:1], "ä".encode()[1:]
            os.write(1, b"begin " + a)
            time.sleep(0.4)  # long enough for the worker to hand on what there is
            os.write(1, b + b" end\n")
            os._exit(1)
        return params["x"]

    study = tune(objective, max_trials=1, max_attempts=2, workers=1)

    assert study.log(0) == "begin ä end\n"


def test_a_trial_may_send_its_output_elsewhere(tune, tmp_path):
    """The file a trial redirects its output to is its own: not to be read, and by no means to be emptied."""
    own = tmp_path / "own.txt"
    path = str(own)

    def objective(params, trial):
        if trial.id == 0:
            kept = os.dup(1)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.write(1, b"mine " * 1_000_000)
            time.sleep(0.4)  # long enough for the worker to look at its output
            os.dup2(kept, 1)
        print("back again", trial.id)
        return params["x"]

    study = tune(objective, max_trials=2, workers=1, timeout_s=10)

    assert own.stat().st_size == 5_000_000
    assert [study.log(0), study.log(1)] == ["back again 0\n", "back again 1\n"]


def test_a_trial_that_leaves_its_output_redirected_keeps_its_file(tune, tmp_path):
    own = tmp_path / "own.txt"
    path = str(own)

    def objective(params):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.write(1, b"mine " * 1_000_000)
        return params["x"]

    study = tune(objective, max_trials=1, workers=1)

    assert study.trials[0].state == "finished"
    assert own.stat().st_size == 5_000_000


def test_a_trial_that_closes_its_standard_output_has_its_value(tune):
    def objective(params):
        os.close(1)
        return params["x"]

    study = tune(objective, max_trials=3, workers=1)

    assert [trial.state for trial in study.trials] == ["finished"] * 3
    assert [trial.attempts for trial in study.trials] == [1, 1, 1]


def test_bytes_that_are_no_text_are_shown_as_such(tune):
    def objective(params):
        os.write(1, b"before \xff after\n")
        print("a lone surrogate: \udcff")
        return params["x"]

    study = tune(objective, max_trials=1)

    assert study.log(0) == "before \ufffd after\na lone surrogate: \\udcff\n"
