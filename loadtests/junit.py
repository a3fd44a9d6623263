"""A result as JUnit XML, so that any CI shows each gate as a test case: broken fails, unproven fails, too."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from loadtests.gates import Gate, Status
from loadtests.result import Result


def junit(result: Result) -> str:
    """The whole file; one suite, a case for each gate."""
    failures = sum(gate.status is not Status.HELD for gate in result.gates)
    counts = {"tests": str(len(result.gates)), "failures": str(failures), "errors": "0", "skipped": "0"}
    about = {"name": _printable(f"loadtest {result.fleet}"), "time": f"{result.asked.elapsed_s:.3f}"}
    suites = ET.Element("testsuites", counts | about)
    suite = ET.SubElement(suites, "testsuite", counts | about | {"timestamp": result.asked.started})
    properties = ET.SubElement(suite, "properties")
    for name, value in result.flat().items():
        ET.SubElement(properties, "property", {"name": _printable(name), "value": f"{value:.6g}"})
    for gate in result.gates:
        _case(suite, gate, f"loadtest.{result.fleet}.{result.asked.scenario}")
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, gate: Gate, of: str) -> None:
    case = ET.SubElement(suite, "testcase", {"name": gate.name, "classname": _printable(of), "time": "0"})
    if gate.status is Status.HELD:
        ET.SubElement(case, "system-out").text = gate.says
    else:
        ET.SubElement(case, "failure", {"message": gate.says, "type": gate.status.value}).text = gate.says


def _printable(text: str) -> str:
    """XML has no place for control characters, escaped or not."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
