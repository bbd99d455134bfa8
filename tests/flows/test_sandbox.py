"""The sandbox under `almoner serve`, told by command what to do wrong while gifts come in."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import httpx

from support.donor import gift
from support.serving import serving


async def give(client: httpx.AsyncClient) -> httpx.Response:
    """A new gift."""
    return await client.post("/donations", json=gift(), headers={"Idempotency-Key": str(uuid4())})


async def final_status(client: httpx.AsyncClient, told: dict[str, str]) -> str:
    """What the donor reads once it is no longer "processing"."""
    deadline = time.monotonic() + 60
    while True:
        answer = await client.get(
            f"/donations/{told['donation_id']}",
            headers={"Authorization": f"Bearer {told['read_token']}"},
        )
        status: str = answer.json().get("status", "")
        if status != "processing" or time.monotonic() > deadline:
            return status
        await asyncio.sleep(0.5)


def environment_of(pid: int) -> list[str]:
    """What a process was told."""
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")


async def test_a_trial_of_what_can_go_wrong(tmp_path: Path) -> None:
    """One answer is lost by command; the donor reads "being confirmed", then success. The batch
    is settled, and both records agree. The worker knows where to send webhooks."""
    with serving(tmp_path / "data", sandbox_latency_ms="20") as running:
        set_code, fault = running.runs("sandbox", "fault", "lost_reset", "--times", "1")
        async with running.client() as client:
            lost = await give(client)
            taken = await give(client)
            status = await final_status(client, lost.json())
        report = tmp_path / "report.csv"
        _, settled = running.runs("sandbox", "settle", "--report", str(report))
        _, charges = running.runs("sandbox", "charges")
        (worker,) = running.children("worker")
        environment = environment_of(worker)

    assert (set_code, fault["kind"]) == (0, "lost_reset")
    assert (lost.status_code, taken.status_code, status) == (202, 201, "success")
    assert [payout["charges"] for payout in settled["payouts"]] == [2]
    assert len(report.read_text().splitlines()) == 3
    assert charges["states"] == {"settled": 2}
    assert f"ALMONER_SANDBOX_WEBHOOK_URL={running.url}/webhooks/sandbox" in environment
