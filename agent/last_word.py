"""The last word on a call: whose it is, what it says of the end, and where the recording is."""

from __future__ import annotations

from typing import Final

from agent.desk import Office
from agent.ending import SUPERSEDED, Ending
from agent.leg import Leg
from agent.logs import get_logger
from agent.media_watch import MediaWatch
from agent.recorder import Recorder
from agent.reporter import Reporter
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.events import Ended, EventType, RecordingReady, Warned

#: What an agent that was cut off, or asleep, takes for the call's end; another one may have it.
_UNSURE: Final = frozenset(
    {
        EndedReason.LOST,
        EndedReason.AGENT_ERROR,
        EndedReason.BRIDGE_LOST,
        EndedReason.MEDIA_SERVER_LOST,
        EndedReason.MEDIA_TIMEOUT,
    }
)

log = get_logger(__name__)


class LastWord:
    """Knows how one call ended, and tells it.

    Shape: ``part`` counts the agents that the call has had, this one included.
    """

    def __init__(
        self,
        request: DialRequest,
        *,
        office: Office,
        reporter: Reporter,
        leg: Leg,
        media: MediaWatch,
        recorder: Recorder,
        part: int,
    ) -> None:
        self._request = request
        self._office = office
        self._report = reporter.report
        self._leg = leg
        self._media = media
        self._recorder = recorder
        self._part = part
        self._log = log.bind(call_id=request.call_id, attempt_id=request.attempt_id)

    async def whose(self, ending: Ending) -> Ending:
        """Make sure that an end which may only be ours does not end another agent's call."""
        unsure = self._leg.answered.is_set() and ending.reason in _UNSURE
        if ending.superseded or not unsure:
            return ending
        return ending if await self._office.is_current(self._request) else SUPERSEDED

    def true_reason(self, ending: Ending) -> Ending:
        """Tell a call that the bridge ended for want of media from a hang-up."""
        if (
            ending.reason is self._leg.hangs_up_as
            and not ending.proven
            and self._leg.phone
            and self._leg.answered.is_set()
            and self._media.nearly_lost
        ):
            return Ending(EndedReason.MEDIA_TIMEOUT)
        return ending

    async def keep_recording(self) -> None:
        """Finish the recording and tell where it is, or that there is none."""
        try:
            recording = await self._recorder.finish()
        except Exception as error:
            self._log.warning("not_put_away", part="recording", error=type(error).__name__)
            self.warn("recording_failed", "The recording could not be written.")
            return
        if recording is not None:
            self._report(
                EventType.CALL_RECORDING_READY,
                RecordingReady(
                    path=str(recording.path.resolve()),
                    duration_seconds=round(recording.duration, 3),
                    sample_rate=recording.sample_rate,
                    part=self._part,
                ),
            )
        elif self._recorder.failed is not None:
            self.warn("recording_failed", "The recording could not be written.")

    def tell(self, ending: Ending) -> None:
        """Tell the end; nothing may be told after it."""
        answered = self._leg.answered.is_set()
        self._report(
            EventType.CALL_ENDED,
            Ended(
                ended_reason=ending.reason,
                ended_by=ending.ended_by,
                sip_status_code=ending.sip_status_code,
                sip_status=ending.sip_status,
                message=ending.message,
                media_seen=self._media.seen if answered else None,
            ),
        )

    def warn(self, code: str, message: str) -> None:
        """Tell of something that went wrong and did not end the call."""
        self._report(EventType.CALL_WARNING, Warned(code=code, message=message))
