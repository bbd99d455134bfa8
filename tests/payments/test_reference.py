"""A gateway keeps what a charge was for, so that its record alone can tell."""

from __future__ import annotations

from almoner.bootstrap import make_gateway
from almoner.payments.gateway import RecordedCharge, Reference
from support.donor import CHARITY_ID, Donor
from support.installation import Installation
from support.tamper import tamper


async def test_the_sandbox_keeps_what_a_charge_was_for(almoner: Installation, donor: Donor) -> None:
    """The donation and the charity, and nothing of the donor."""
    told = (await donor.gives()).json()

    (charge,) = await recorded(almoner)

    assert charge.reference is not None
    assert str(charge.reference.payable_id) == told["donation_id"]
    assert charge.reference == Reference(charge.reference.payable_id, CHARITY_ID)


async def test_a_record_of_an_earlier_version_goes_on(almoner: Installation, donor: Donor) -> None:
    """Charges filed before references were kept are listed without one."""
    await donor.gives()
    columns = "ALTER TABLE sandbox_charge DROP COLUMN payable_id, DROP COLUMN payee_id"
    tamper(almoner.settings.sandbox_url, columns)

    (charge,) = await recorded(almoner)

    assert charge.reference is None


async def recorded(almoner: Installation) -> list[RecordedCharge]:
    """The sandbox's record, by an adapter that starts anew."""
    gateway = make_gateway(almoner.settings)
    await gateway.open()
    try:
        return [charge async for charge in gateway.charges()]
    finally:
        await gateway.close()
