"""Each quirk of the real registers, on rows made small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from almoner.charities.import_register import _Reader, recognise
from almoner.charities.registers import Bad, Listed, NotThisFormat, Row, Skipped
from charities.conftest import UK_HEADER, irs_row, uk_row

Writer = Callable[..., Path]
EXTRACT_HEADER = (
    "registered_charity_number\tlinked_charity_number\tcharity_name\t"
    "charity_registration_status\tcharity_contact_web\tcharity_activities"
)
NI_HEADER = (
    "Reg charity number,Sub charity number,Charity name,Date registered,Status,"
    "Public address,Website,What the charity does,"
)


def rows_of(*paths: Path) -> list[Row]:
    return [row for _, row in _Reader([recognise(path) for path in paths]).rows()]


def only(*paths: Path) -> Row:
    (row,) = rows_of(*paths)
    return row


def test_an_ein_keeps_its_leading_zero(irs_file: Writer) -> None:
    """It is text, and never read as a number."""
    row = only(irs_file(irs_row(EIN="010466768")))

    assert isinstance(row, Listed)
    assert (row.register, row.register_id) == ("us-irs", "010466768")


@pytest.mark.parametrize("ein", ["10466768", "1.05E+07", "", "01046676X"])
def test_a_damaged_ein_is_a_bad_row(irs_file: Writer, ein: str) -> None:
    """As spreadsheets make it."""
    row = only(irs_file(irs_row(EIN=ein)))

    assert isinstance(row, Bad)
    assert (row.line, "nine digits" in row.reason) == (2, True)


def test_a_quoted_comma_stays_in_its_field(irs_file: Writer) -> None:
    """A few names hold one."""
    row = only(irs_file(irs_row(NAME="SMITH, JONES AND FRIENDS")))

    assert isinstance(row, Listed)
    assert row.name == "Smith, Jones and Friends"


@pytest.mark.parametrize(
    ("city", "country"),
    [("TORONTO CANADA", "CA"), ("LONDON UNITED KINGDOM", "GB"), ("CANADA", "CA"),
     ("HONG KONG", "HK"), ("ABIDJAN COTE D'IVOIRE", "CI"), ("SEOUL SOUTH KOREA", "KR")],
)  # fmt: skip
def test_a_foreign_row_has_its_country_in_city(irs_file: Writer, city: str, country: str) -> None:
    """STATE is empty then and the ZIP all zeros."""
    row = only(irs_file(irs_row(CITY=city, STATE="", ZIP="00000-0000")))

    assert isinstance(row, Listed)
    assert (row.country, row.place) == (country, None)


def test_a_foreign_row_without_a_country_is_bad(irs_file: Writer) -> None:
    """Better reported than guessed."""
    row = only(irs_file(irs_row(CITY="ATLANTIS", STATE="")))

    assert isinstance(row, Bad)
    assert "ATLANTIS" in row.reason


def test_a_territory_is_a_country_of_its_own(irs_file: Writer) -> None:
    """As ISO 3166 has it; the armed forces' post is not."""
    rows = rows_of(irs_file(irs_row(STATE="PR"), irs_row(STATE="AE"), irs_row(STATE="TX")))

    assert [row.country for row in rows if isinstance(row, Listed)] == ["PR", "US", "US"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [("SUBSECTION", "04", "not_501c3"), ("DEDUCTIBILITY", "2", "not_deductible"),
     ("STATUS", "25", "not_in_force")],
)  # fmt: skip
def test_who_may_not_be_given_to_is_skipped(
    irs_file: Writer, column: str, value: str, reason: str
) -> None:
    """With its number, so that an earlier import is closed."""
    row = only(irs_file(irs_row(**{column: value})))

    assert row == Skipped(2, reason, "us-irs", "010466768")


def test_chapters_of_one_name_are_told_apart_by_their_town(irs_file: Writer) -> None:
    """SORT_NAME would tell them apart too, and may name a person."""
    rows = rows_of(irs_file(irs_row(EIN="000000001", CITY="BOISE", STATE="ID"), irs_row()))

    assert [row.place for row in rows if isinstance(row, Listed)] == ["Boise, ID", "Washington, DC"]


def test_a_row_that_was_cut_costs_itself_alone(irs_file: Writer) -> None:
    """Also when the cut leaves a quote open."""
    rows = rows_of(irs_file('123456789,"BROKEN', "too,few", irs_row(), "", irs_row(NAME="")))

    kinds = [(type(row).__name__, row.line) for row in rows]
    assert kinds == [("Bad", 2), ("Bad", 3), ("Listed", 4), ("Bad", 6)]


def test_uk_rows_of_three_registers(uk_file: Writer) -> None:
    """England and Wales, Scotland, Northern Ireland each have numbers of their own."""
    rows = rows_of(
        uk_file(
            uk_row(),
            uk_row(org_id="GB-SC-SC000038"),
            uk_row(org_id="GB-NIC-100095"),
            uk_row(org_id="GB-CHC-12"),
            uk_row(org_id="US-EIN-1"),
        )
    )

    keys = [(row.register, row.register_id) for row in rows if isinstance(row, Listed)]
    assert keys == [("gb-ccew", "1000340"), ("gb-oscr", "SC000038"), ("gb-ccni", "NI100095")]
    assert sum(isinstance(row, Bad) for row in rows) == 2


@pytest.mark.parametrize("date", ["1990-09-13", "1990-09-13 00:00:00", "13/12/2013", ""])
def test_dates_and_amounts_of_any_form_are_fine(uk_file: Writer, date: str) -> None:
    """They are not needed, so they cannot spoil a row."""
    row = only(uk_file(uk_row(date_registered=date, income="15098852.0", company_number="1.0")))

    assert isinstance(row, Listed)


def test_a_row_with_only_an_id_is_skipped(uk_file: Writer) -> None:
    """It says nothing, so it closes nothing either."""
    row = only(uk_file(uk_row(name="", active="", activities="")))

    assert row == Skipped(2, "only_an_id")


def test_an_inactive_row_is_skipped_with_its_number(uk_file: Writer) -> None:
    """So that an earlier import is closed."""
    assert only(uk_file(uk_row(active="False"))) == Skipped(2, "not_active", "gb-ccew", "1000340")


def test_without_activities_the_objects_tell(uk_file: Writer) -> None:
    """Scottish rows mostly lack activities; some say no more than that."""
    objects = "THE ADVANCEMENT OF EDUCATION."
    rows = rows_of(
        uk_file(
            uk_row(activities="", objects=objects),
            uk_row(activities="No Details Supplied", objects=objects),
        )
    )

    described = {row.description for row in rows if isinstance(row, Listed)}
    assert described == {"The advancement of education."}


def test_junk_is_no_website(uk_file: Writer) -> None:
    """An address without scheme is one, `in progress` is not."""
    rows = rows_of(uk_file(uk_row(), uk_row(web="http://in progress")))

    assert [row.website for row in rows if isinstance(row, Listed)] == [
        "http://www.river.org",
        None,
    ]


def test_a_field_may_hold_line_breaks_and_quotes(uk_file: Writer) -> None:
    """The lines of later rows are still counted right."""
    rows = rows_of(uk_file(uk_row(activities='One\n"two"\nthree'), uk_row(org_id="bad")))

    first, second = rows
    assert isinstance(first, Listed)
    assert first.description == 'One "two" three'
    assert (type(second), second.line) == (Bad, 5)


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(uk_file: Writer) -> None:
    """Reading goes on at the line after it."""
    broken = uk_row().replace('"Looks after a river."', '"Looks after')
    rows = rows_of(uk_file(broken, *[uk_row() for _ in range(400)]))

    assert isinstance(rows[0], Bad)
    assert sum(isinstance(row, Listed) for row in rows) >= 399


def test_a_mark_at_the_start_and_windows_letters_are_read(tmp_path: Path) -> None:
    """UTF-8 with a byte order mark; a line that is not UTF-8 is Windows-1252."""
    path = tmp_path / "uk.csv"
    rows = [uk_row(name="Café").encode("utf-8"), uk_row(name="Caf\u00e9 \u2013").encode("cp1252")]
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([UK_HEADER.encode(), *rows]))

    names = [row.name for row in rows_of(path) if isinstance(row, Listed)]
    assert names == ["Café", "Café \u2013"]


def test_a_very_long_description_is_cut_between_words(uk_file: Writer) -> None:
    """And marked as cut."""
    row = only(uk_file(uk_row(activities="word " * 900)))

    assert isinstance(row, Listed)
    assert row.description is not None
    assert len(row.description) <= 2000
    assert row.description.endswith("word\u2026")


def test_the_regulators_extract(tmp_path: Path) -> None:
    """Tabs, CRLF, backslashes; linked and removed ones are left out; a side table tells why."""
    main, side = tmp_path / "main.txt", tmp_path / "side.txt"
    lines = [
        EXTRACT_HEADER,
        "200001\t0\tRIVER\\\tTRUST\tRegistered\twww.river.org\tClean \\\\ water",
        "200001\t1\tRIVER BRANCH\tRegistered\t\t",
        "200002\t0\tGONE\tRemoved\t\t",
        "200003\t0\tTOO FEW",
        "200004\t0\tSPLIT NAME\tRegistered\t\tfirst\\",
        "second",
    ]
    main.write_bytes("\r\n".join([*lines, ""]).encode())
    side.write_bytes(
        b"registered_charity_number\tlinked_charity_number\tclassification_code\r\n"
        b"200001\t0\t101\r\n200001\t0\t111\r\n200002\t0\t102\r\n"
    )

    first, linked, gone, short, split = rows_of(main, side)
    assert isinstance(first, Listed)
    assert (first.name, first.category, first.description) == (
        "River Trust", "animals", "Clean \\ water",
    )  # fmt: skip
    assert linked == Skipped(3, "linked")
    assert gone == Skipped(4, "not_active", "gb-ccew", "200002")
    assert isinstance(short, Bad)
    assert isinstance(split, Listed)
    assert split.description == "first second"


def test_the_register_of_northern_ireland(tmp_path: Path) -> None:
    """Windows-1252, dates with slashes, a last column without a name."""
    path = tmp_path / "ni.csv"
    rows = [
        "100001,0,Caf\u00e9 Trust,13/12/2013,Up-to-date,1 Home St,www.cafe.org,Feeds the hungry,",
        "100002,0,Gone,13/12/2013,Removed,,,,",
        "100003,2,Branch,13/12/2013,Up-to-date,,,,",
    ]
    path.write_bytes("\r\n".join([NI_HEADER, *rows]).encode("cp1252"))

    first, gone, branch = rows_of(path)
    assert isinstance(first, Listed)
    assert (first.register_id, first.name) == ("NI100001", "Café Trust")
    assert gone == Skipped(3, "not_active", "gb-ccni", "NI100002")
    assert branch == Skipped(4, "linked")


def test_another_file_is_refused(tmp_path: Path, irs_file: Writer) -> None:
    """By its header, and by what it is said to be."""
    path = tmp_path / "other.csv"
    path.write_text("a,b,c\n1,2,3\n")

    with pytest.raises(NotThisFormat, match="none of the known headers"):
        recognise(path)
    with pytest.raises(NotThisFormat, match="'uk'"):
        recognise(irs_file(), "uk")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(NotThisFormat):
        recognise(tmp_path / "empty.csv")


def test_the_regulators_real_header_is_recognised(shared_data: Path) -> None:
    """The published header names every column that is read."""
    path = shared_data / "registers/uk/publicextract.charity.header.tsv"

    assert recognise(path).format == "uk-extract"
