"""The front end's files and the login page's style."""

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.responders import StaticFile  # type: ignore[import-untyped]


class WholeFileMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Sends whole files: WhiteNoise's synchronous iterator causes a warning under ASGI."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        streamed = WhiteNoiseMiddleware.serve(static_file, request)
        whole = HttpResponse(b"".join(streamed), status=streamed.status_code)
        del whole["Content-Type"]
        for name, value in streamed.items():
            whole[name] = value
        streamed.close()
        return whole
