"""What stands around every call over gRPC: its id, its key, its time limit, errors as statuses, a line in the log."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import grpc

from serving.embedded.access_log import REQUEST_ID, log_answer, sane_id
from serving.embedded.api_keys import REFUSAL, admits
from serving.embedded.status import Code, StatusError, timed_out

_log = logging.getLogger(__name__)
_STATUSES = {status.value[0]: status for status in grpc.StatusCode}
# Metadata must fit into the frames of headers: as TF Serving cuts it.
_LONGEST_MESSAGE = 1024
_ON_ITS_WAY = 0.1


class Call:
    """What a service is told of a call, and tells of it.

    Attributes:
        request_id: The call's id.
        rows: How many rows it has, for the log.
        text: What it asks, if that is to be logged.
    """

    def __init__(self, request_id: str, context: grpc.aio.ServicerContext):
        """Makes it from what gRPC tells."""
        self.request_id = request_id
        self.rows: int | None = None
        self.text: str | None = None
        self._context = context

    @contextlib.asynccontextmanager
    async def time_limit(self, seconds: float) -> AsyncIterator[float | None]:
        """Breaks the block off after some seconds, or at the client's deadline if that is earlier.

        Yields:
            That moment, by the clock of the event loop.

        Raises:
            StatusError: It took longer.
        """
        left = self._context.time_remaining()
        try:
            async with asyncio.timeout(seconds if left is None else min(seconds, left)) as limit:
                yield limit.when()
        except TimeoutError:
            raise timed_out() from None

    def code_of(self, error: BaseException) -> Code:
        """The code that an error is reported with."""
        if isinstance(error, StatusError):
            return error.code
        if not isinstance(error, asyncio.CancelledError):
            return Code.INTERNAL
        # At its deadline the client cancels, which is earlier than here by the time that the call took to come.
        left = self._context.time_remaining()
        return Code.CANCELLED if left is None or left > _ON_ITS_WAY else Code.DEADLINE_EXCEEDED


class Calls(grpc.aio.ServerInterceptor):
    """Has services answer with a `Call` for their context, and raise `StatusError`.

    The id is that of the metadata `x-request-id`, by the rule of `serving.embedded.access_log.AccessLog`; the answer's
    trailing metadata have it.
    """

    def __init__(self, keys: Collection[bytes] | None):
        """Makes it.

        Args:
            keys: One of them has to be in the metadata, as `authorization: Bearer KEY`; None asks for none.
        """
        self._keys = keys

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """The handler of a method, wrapped."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            return await self._answer(handler_call_details.method, handler.unary_unary, request, context)

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)

    async def _answer(self, method: str, serve: Any, request: Any, context: grpc.aio.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata() or ())
        call = Call(sane_id(str(metadata.get(REQUEST_ID.lower(), ""))), context)
        context.set_trailing_metadata(((REQUEST_ID.lower(), call.request_id),))
        began, code = time.perf_counter(), Code.OK
        try:
            if self._keys is not None and not admits(self._keys, str(metadata.get("authorization", ""))):
                raise StatusError(Code.UNAUTHENTICATED, REFUSAL)
            return await serve(request, call)
        except StatusError as error:
            code = error.code
            return await _abort(context, code, error.message)
        except Exception as error:
            code = Code.INTERNAL
            _log.exception("%s", method, extra={"fields": {"request_id": call.request_id}})
            return await _abort(context, code, str(error))
        except BaseException as error:
            code = call.code_of(error)
            raise
        finally:
            seconds = time.perf_counter() - began
            log_answer(call.request_id, "gRPC", method, code.name, call.rows, seconds, call.text)


async def _abort(context: grpc.aio.ServicerContext, code: Code, message: str) -> None:
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}...TRUNCATED"
    await context.abort(_STATUSES[code], message)
