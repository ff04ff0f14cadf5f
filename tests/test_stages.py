"""Acting at stages of a run, when they are logged."""

import logging
from functools import partial

import pytest

from latentdims.errors import InputError
from latentdims.workflow.stages import Stages


class Ended(Exception):
    pass


@pytest.fixture
def logger():
    return logging.Logger("a run")


def test_each_stage_acts_by_its_event_or_message_once_for_all_modules(logger):
    said = []
    for module in ("one", "two"):
        stages = {3: f"{module}, event", "Building": f"{module}, message"}
        actions = {stage: partial(said.append, words) for stage, words in stages.items()}
        Stages(actions, error=Ended).listen(logger)
    logger.info("anything", extra={"event": 3})
    logger.info("else")
    logger.info("Building")
    assert said == ["one, event", "one, message"]


def test_a_user_s_mistake_ends_the_run(logger):
    def refuse() -> None:
        raise InputError("the folder is full")

    Stages({"Building": refuse}, error=Ended).listen(logger)
    with pytest.raises(Ended, match="the folder is full"):
        logger.info("Building")


def test_a_snakemake_that_calls_a_stage_something_else_is_refused(logger):
    actions = dict.fromkeys(("Started", "Building DAG", "Run"), lambda: None)
    Stages(actions, error=Ended).listen(logger)
    logger.info("Started")
    logger.info("Building graph")
    with pytest.raises(Ended, match="does not log Building DAG"):
        logger.info("Run")


def test_a_rare_stage_acts_and_is_not_missed_nor_does_it_miss_another(logger):
    said = []
    actions = {name: partial(said.append, name) for name in ("Started", "Run")}
    rare = {"Nothing": partial(said.append, "Nothing")}
    Stages(actions, error=Ended, rare=rare).listen(logger)
    for name in ("Started", "Nothing", "Run"):
        logger.info(name)
    assert said == ["Started", "Nothing", "Run"]
    again = logging.Logger("another run")
    Stages(actions, error=Ended, rare=rare).listen(again)
    again.info("Started")
    again.info("Run")  # nothing is missed
