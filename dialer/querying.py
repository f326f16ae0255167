"""Read query strings strictly: a parameter that is misspelt is refused, not passed over."""

from __future__ import annotations

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request

from dialer.problems import BadRequest, closest


async def known_parameters_only(request: Request) -> None:
    """Refuse a parameter that the route does not have.

    Errors: BadRequest ``unknown_field`` that names the closest one.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = sorted(field.alias for field in route.dependant.query_params)
    for name in request.query_params:
        if name not in known:
            raise BadRequest(
                "unknown_field",
                "This parameter is not known.",
                field=name[:200],
                hint=closest(name, known),
            )


#: For routes that list something.
KNOWN_PARAMETERS_ONLY = Depends(known_parameters_only)
