"""benchmarks/target_cost.py: what the plugin counts, how it is read, and the tables."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.classifier import NO_VNNI
from benchmarks.target import emulator, tables
from benchmarks.target.emulator import CORES, Count
from benchmarks.target.networks import STUDENTS, cut
from benchmarks.target_cost import as_numbers, check_kernels
from device.errors import EmotionEdgeError
from device.inference.litert import load_interpreter
from tests.emulation.rehearsal import arm64, debian, workshop
from tests.emulation.rehearsal.steps import RehearsalError

LOOPS = 12_345
# Between the marks: the loop's two instructions, and what sets up two registers and the calls.
LOOP = """
#include <unistd.h>
#include <sys/syscall.h>
int main(void) {
    syscall(0x7e57, 0L);
    __asm__ volatile("mov %0, %%ecx\\n1: dec %%ecx\\njnz 1b" :: "i"(LOOPS) : "ecx", "cc");
    syscall(0x7e57, 1L);
    return 0;
}
"""
CPUID = """
#include <cpuid.h>
#include <stdio.h>
int main(void) {
    unsigned a, b, c, d;
    __cpuid_count(7, 0, a, b, c, d);
    printf("%u %u %u ", c >> 11 & 1, d >> 24 & 1, b >> 5 & 1);
    __cpuid_count(7, 1, a, b, c, d);
    printf("%u", a >> 4 & 1);
    return 0;
}
"""
NETWORKS = {
    "fer": {"a53": Count(8_000_000, {}), "a76": Count(5_000_000, {})},
    "emotion": {"a53": Count(12_000_000, {"smlal": 7}), "a76": Count(2_000_000, {"sdot": 9})},
}


def has_plugins(qemu: str) -> bool:
    if shutil.which(qemu) is None:
        return False
    return "plugin" in subprocess.run([qemu, "--help"], capture_output=True, text=True).stdout


def test_only_what_lies_between_the_marks_counts() -> None:
    counts = emulator.parse("0 500 mov=499 svc=1\n1 20 sdot=15 b.ne=5\n0 3 mov=3\n1 7 add=7\n")
    assert counts == [Count(20, {"sdot": 15, "b.ne": 5}), Count(7, {"add": 7})]


@pytest.mark.parametrize(("version", "api"), [("7.2.19 (Debian)", 1), ("8.1.0", 1), ("8.2.0", 2), ("10.0.2", 2)])
def test_the_plugin_is_built_for_the_qemu_that_is_there(version: str, api: int) -> None:
    assert emulator.plugin_api(f"qemu-aarch64 version {version}") == api


def test_a_processor_says_what_litert_asks_for() -> None:
    text = CORES["a76"].cpuinfo()
    assert "CPU part\t: 0xd0b" in text and "asimddp" in text
    assert text.count("processor") == 4
    assert "asimddp" not in CORES["a72"].cpuinfo()


def test_dot_products_are_run_where_there_are_some() -> None:
    check_kernels(NETWORKS)
    swapped = {"emotion": {"a53": NETWORKS["emotion"]["a76"]}}
    with pytest.raises(RehearsalError, match=r"emotion on a53: 9 dot products"):
        check_kernels(swapped)
    with pytest.raises(RehearsalError, match=r"emotion on a76: 0 dot products"):
        check_kernels({"emotion": {"a76": NETWORKS["emotion"]["a53"]}})


def test_networks_stand_beside_fer() -> None:
    table = tables.network_table(NETWORKS)
    assert table.columns == ("Cortex-A53", "times fer", "Cortex-A76", "times fer")
    assert table.lines[1] == ("emotion", "12.00", "1.50", "2.00", "0.40")


def test_frames_stand_beside_the_first_configuration() -> None:
    frames = {"version 1": {"a72": Count(50_000_000, {})}, "default": {"a72": Count(125_000_000, {})}}
    assert tables.frame_table(frames).lines[1] == ("default", "125.0", "2.50")


def test_an_operator_costs_what_it_adds() -> None:
    layers = {"01 conv_2d": {"a72": Count(700_000, {})}, "02 add": {"a72": Count(750_000, {})}}
    assert tables.layer_table(layers).lines == (("01 conv_2d", "700"), ("02 add", "50"))


def test_a_table_replaces_the_one_between_the_marks() -> None:
    table = tables.network_table(NETWORKS)
    text = "before\n<!-- networks:begin -->\nold\n<!-- networks:end -->\nafter\n"
    once = tables.replaced(text, "networks", table)
    assert "old" not in once and "| emotion | 12.00 |" in once
    assert once.startswith("before\n") and once.endswith("\nafter\n")
    assert tables.replaced(once, "networks", table) == once
    with pytest.raises(EmotionEdgeError, match="no lines <!-- frames:begin -->"):
        tables.replaced(text, "frames", table)


def test_the_document_has_every_mark() -> None:
    text = (workshop.REPOSITORY / "docs" / "latency.md").read_text(encoding="utf-8")
    for name in ("networks", "frames", "layers"):
        tables.replaced(text, name, tables.network_table(NETWORKS))


def test_json_holds_the_counts() -> None:
    assert json.loads(json.dumps(as_numbers(NETWORKS)))["emotion"]["a76"] == {
        "total": 2_000_000,
        "by_name": {"sdot": 9},
    }


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_last_cut_is_the_whole_network(tmp_path: Path) -> None:
    whole = STUDENTS["emotion-fast"]
    parts = cut(whole, tmp_path / "parts")
    assert len(parts) == 20  # one of the operators is a padding
    assert list(parts)[1] == "03 conv_2d 1x24x24x40 40x3x3x40 -> 1x24x24x40"
    face = np.arange(48 * 48, dtype=np.int64).reshape(1, 48, 48, 1).astype(np.int8)
    outputs = []
    for path in (whole, list(parts.values())[-1]):
        interpreter = load_interpreter(path)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], face)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.skipif(not has_plugins("qemu-x86_64"), reason="no qemu-x86_64 with plugins: apt install qemu-user")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc builds the plugin")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the counted program is for x86-64")
def test_the_plugin_counts_a_loop(tmp_path: Path) -> None:
    plugin, program, out = tmp_path / "count.so", tmp_path / "loop", tmp_path / "counts"
    api = emulator.plugin_api(subprocess.check_output(["qemu-x86_64", "--version"], text=True))
    subprocess.run(["gcc", "-shared", "-fPIC", f"-DAPI={api}", "-o", plugin, emulator.PLUGIN], check=True)
    (tmp_path / "loop.c").write_text(LOOP)
    subprocess.run(["gcc", "-O1", "-static", f"-DLOOPS={LOOPS}", "-o", program, tmp_path / "loop.c"], check=True)
    subprocess.run(["qemu-x86_64", "-plugin", f"{plugin},out={out}", program], check=True)
    (count,) = emulator.parse(out.read_text())
    assert 0 <= count.total - 2 * LOOPS < 60
    assert 0 <= count.by_name["decl"] - LOOPS < 3


@pytest.mark.skipif(
    " cpuid_fault" not in Path("/proc/cpuinfo").read_text(), reason="cpuid cannot be made to fault here"
)
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc builds the library")
def test_dot_products_can_be_hidden_from_a_program(tmp_path: Path) -> None:
    library, program = tmp_path / "no_vnni.so", tmp_path / "cpuid"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, NO_VNNI], check=True)
    (tmp_path / "cpuid.c").write_text(CPUID)
    subprocess.run(["gcc", "-o", program, tmp_path / "cpuid.c"], check=True)
    plain = subprocess.check_output([program], text=True).split()
    hidden = subprocess.check_output([program], text=True, env=os.environ | {"LD_PRELOAD": str(library)}).split()
    assert hidden == ["0", "0", plain[2], "0"]  # AVX2 stays


@pytest.mark.arm64
@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not has_plugins("qemu-aarch64"), reason="no qemu-aarch64 with plugins: apt install qemu-user")
@pytest.mark.skipif(
    not debian.archive_path(emulator.RELEASE, "extract", arm64.PACKAGES).exists(),
    reason="nothing is cached: make rehearse-arm64 once",
)
def test_the_counts_are_the_same_each_time(tmp_path: Path) -> None:
    found = []
    for name in ("once", "again"):
        command = [sys.executable, "-m", "benchmarks.target_cost", "--cores", "a76", "--json", str(tmp_path / name)]
        command += ["--layers", str(STUDENTS["emotion-fast"])]
        done = subprocess.run(command, cwd=workshop.REPOSITORY, capture_output=True, text=True)
        if "skipped" in done.stderr:
            pytest.skip(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(json.loads((tmp_path / name).read_text())["layers"])
    for name, row in found[0].items():
        assert row["a76"]["total"] == pytest.approx(found[1][name]["a76"]["total"], rel=0.01)
    assert list(found[0].values())[-1]["a76"]["by_name"]["sdot"] > 1_000_000
