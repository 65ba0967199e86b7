"""CITATION.cff is what its readers expect: the format is described by the Citation File Format, version 1.2.0."""

from pathlib import Path

import yaml

PAPER = {"title", "authors", "type", "year", "collection-title", "collection-type"}


def test_the_software_and_the_paper_are_cited() -> None:
    held = yaml.safe_load((Path(__file__).parent.parent / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(held)  # what the format requires
    assert held["cff-version"] == "1.2.0"
    assert held["license"] == "Apache-2.0"
    assert held["type"] == "software"
    paper = held["preferred-citation"]
    assert set(paper) == PAPER
    assert paper["year"] == 2019
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Zhang", "Mai", "Xu", "Wang", "Collomosse", "Jin"]
