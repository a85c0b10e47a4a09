"""The table of API operations in `local.md`, from the service's models in botocore."""

from collections.abc import Iterator

import botocore.session

from fleetstream.emulator.api.app import OPERATIONS

from docs.building import DOCS

PAGE = DOCS / "local.md"
BEGIN, END = "<!-- operations -->\n", "<!-- /operations -->\n"
APIS = {"timestream-write": "write", "timestream-query": "query"}


def build() -> None:
    """Write the table into the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page with the table as it must be now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return "".join((before, BEGIN, *_rows(), END, after))


def _rows() -> Iterator[str]:
    session = botocore.session.get_session()
    models = {api: session.get_service_model(service) for service, api in APIS.items()}
    names = {name for model in models.values() for name in model.operation_names}
    yield "| operation | API | supported |\n|---|---|---|\n"
    for name in sorted(names):
        apis = ", ".join(api for api, model in models.items() if name in model.operation_names)
        yield f"| {name} | {apis} | {'yes' if name in OPERATIONS else 'no'} |\n"
