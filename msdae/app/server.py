"""The web server: the page, and the API that its script uses.

The paths of URLs name things by random ids; files are looked up in tables, never by paths that a visitor
sends.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import msdae
from msdae.app import clips, guard, sending
from msdae.app.jobs import FAILED, FAULT, Job, Queue
from msdae.app.library import Library
from msdae.app.studio import PREVIEW, UNTITLED, Studio
from msdae.app.visits import Visit, Visits
from msdae.errors import UserError, of_system
from msdae.files import PARTIAL
from msdae.inference.pipeline import Pipeline
from msdae.inference.sources import SOUND_ENDING

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PREVIEW_NOTES = clips.rolled(PREVIEW)
SOUNDS = {".flac": "audio/flac", ".wav": "audio/wav", ".mid": "audio/midi"}
TICK, PING = 0.25, 10.0  # seconds between checks for changes; seconds after which a line is sent in any case
UPLOADS_AT_ONCE = 2  # uploads that are decoded at a time
GONE = "this visit has ended; load the page again"
HALF_WRITTEN = re.compile(rf"\S*{re.escape(PARTIAL)}\S*?(?=: )")  # a temporary file at the head of a message
DISK = "the server's disk"
logger = logging.getLogger(__name__)
Answer = Callable[[Request], Any]


class Server:
    """The ASGI application, with the queue, the studio and the visits.

    Args:
        make: makes the pipeline; called by the worker.
        library: folder of learnt sounds.
        cache: folder of visits, and of files that can be made again.
        bounds: limits of uploads.
        reports: folders in which to look for SwapBench's reports.
        names: names by which the page is reached, besides IP addresses and localhost.

    Attributes:
        ending: returns whether the process is shutting down; event streams are closed then.
    """

    def __init__(
        self,
        make: Callable[[], Pipeline],
        library: Path,
        cache: Path,
        bounds: clips.Bounds,
        reports: tuple[Path, ...] = (),
        names: tuple[str, ...] = (),
    ):
        self.queue = Queue()
        self.studio = Studio(make, Library(library), cache, self.queue)
        self.visits = Visits(cache / "visits", self.queue)
        self.bounds, self.reports = bounds, reports
        self.ending: Callable[[], bool] = lambda: False
        self._page = _page()
        self._decoding = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._about: dict[str, Any] | None = None
        inner = Starlette(
            routes=self._routes(),
            lifespan=self._lifespan,
            exception_handlers={UserError: _said, OSError: _said, HTTPException: _http, Exception: _fault},
        )
        self.app = guard.Guard(inner, names)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.queue.put(self.studio.opening)
        self.queue.start()
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            await run_in_threadpool(self.queue.close)
            self.visits.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            await run_in_threadpool(self.visits.sweep)

    def _routes(self) -> list[Route]:
        page = [Route(path, self._file) for path in self._page]
        return [
            *page,
            Route("/bench/{number:int}", self._report),
            Route("/api/visits", self._open, methods=["POST"]),
            Route("/api/events", self._of(self._events)),
            Route("/api/examples", self._of(self._examples)),
            Route("/api/clips", self._of(self._send), methods=["POST"]),
            Route("/api/clips/{clip}", self._of(self._clip)),
            Route("/api/clips/{clip}/{part}", self._of(self._clip_file)),
            Route("/api/swaps", self._of(self._swap), methods=["POST"]),
            Route("/api/tunes", self._of(self._compose), methods=["POST"]),
            Route("/api/lessons", self._of(self._learn), methods=["POST"]),
            Route("/api/jobs/{job}", self._of(self._stop), methods=["DELETE"]),
            Route("/api/sounds", self._of(self._sounds)),
            Route("/api/sounds", self._of(self._bring), methods=["POST"]),
            Route("/api/sounds/{sound}", self._of(self._sound)),
            Route("/api/sounds/{sound}", self._of(self._rename), methods=["PATCH"]),
            Route("/api/sounds/{sound}", self._of(self._remove), methods=["DELETE"]),
            Route("/api/sounds/{sound}/{part}", self._of(self._sound_file)),
            Route("/api/map", self._of(self._map)),
            Route("/api/bench", self._of(self._bench)),
            Route("/api/about", self._of(self._about_page)),
        ]

    def _of(self, answer: Callable[[Request, Visit], Any]) -> Answer:
        """A route that finds the request's visit, and makes errors readable for the visitor."""

        async def route(request: Request) -> Response:
            visit = self.visits.find(request.headers.get(guard.VISIT, ""))
            if visit is None:
                return JSONResponse({"error": GONE}, 410)
            try:
                return await answer(request, visit)
            except (UserError, OSError) as error:
                raise UserError(self._plain(str(of_system(error)), visit)) from error

        return route

    def _plain(self, text: str, visit: Visit) -> str:
        """A message with clips' names in place of their paths, and without the server's folders."""
        for clip in list(visit.clips.values()):
            text = text.replace(str(clip.path), clip.name)
        text = HALF_WRITTEN.sub(DISK, text)
        for folder in (visit.folder, self.studio.cache, self.studio.library.folder):
            text = text.replace(f"{folder}/", "").replace(str(folder), DISK)
        return text

    # -- the page

    async def _file(self, request: Request) -> Response:
        kind, content = self._page[request.url.path]
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    async def _report(self, request: Request) -> Response:
        reports = await run_in_threadpool(self._found_reports)
        number = request.path_params["number"]
        if number >= len(reports):
            raise HTTPException(404)
        return FileResponse(
            reports[number], media_type=KINDS[".html"], headers={"content-security-policy": guard.REPORT}
        )

    def _found_reports(self) -> list[Path]:
        from msdae.evaluation.swapbench.report import PAGE

        pages = (path for folder in self.reports for path in (folder / PAGE, *folder.glob(f"*/{PAGE}")))
        return sorted({path for path in pages if path.is_file()})

    # -- visits

    async def _open(self, request: Request) -> Response:
        known = self.visits.find(request.headers[guard.VISIT])  # known if the page is reloaded
        visit = known or await run_in_threadpool(self.visits.open)
        return JSONResponse(
            {"visit": visit.id, "longest": self.bounds.longest, "largest": self.bounds.largest}
        )

    async def _events(self, request: Request, visit: Visit) -> Response:
        return StreamingResponse(self._lines(request, visit), media_type="application/x-ndjson")

    async def _lines(self, request: Request, visit: Visit) -> AsyncIterator[str]:
        """The state of the visit whenever it changes, as a line of JSON, until the page is closed."""
        visit.streams += 1
        told, quiet = "", 0.0
        try:
            while not self.ending() and not await request.is_disconnected():
                now = json.dumps(self._state(visit))
                if now != told or quiet >= PING:
                    yield now + "\n"
                    told, quiet = now, 0.0
                await asyncio.sleep(TICK)
                quiet += TICK
        finally:
            visit.streams -= 1
            self.visits.find(visit.id)

    def _state(self, visit: Visit) -> dict[str, Any]:
        places, opening = self.queue.places(), self.studio.opening
        return {
            "ready": self.studio.ready,
            "opening": round(opening.share, 2),
            "failed": self._plain(opening.text, visit) if opening.state == FAILED else "",
            "jobs": [self._described(job, places, visit) for job in list(visit.jobs.values())],
            "heard": [clip.id for clip in list(visit.clips.values()) if clip.place is not None],
        }

    def _described(self, job: Job, places: Mapping[str, tuple[int, float]], visit: Visit) -> dict[str, Any]:
        place, wait = places.get(job.id, (0, 0.0))
        return {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "share": round(job.share, 2),
            "place": place,
            "left": round(wait + job.left),
            "facts": job.facts,
            "result": job.result,
            "text": self._plain(job.text, visit),
        }

    async def _stop(self, request: Request, visit: Visit) -> Response:
        job = visit.jobs.get(request.path_params["job"])
        if job is not None:
            self.queue.stop(job)
        return JSONResponse({})

    # -- clips

    async def _examples(self, request: Request, visit: Visit) -> Response:
        examples = self.studio.examples
        groups = {} if examples is None else {"sounds": examples.sounds, "melodies": examples.melodies}
        listed = {
            kind: [{"id": clip.id, "name": clip.name} for clip in group.values()]
            for kind, group in groups.items()
        }
        return JSONResponse(listed)

    async def _send(self, request: Request, visit: Visit) -> Response:
        name = clips.title(request.query_params.get("name"), "Recording")
        ending = clips.suffix(request.query_params.get("name", ""))  # `name` may be cut
        path = await sending.store(request, visit.folder, ending, self.bounds.largest)
        try:
            async with self._decoding:
                clip = await run_in_threadpool(clips.read, path, name, visit.folder, self.bounds)
        finally:
            path.unlink(missing_ok=True)
        self.studio.listen(visit, visit.keep(clip))
        return JSONResponse(clip.described())

    async def _clip(self, request: Request, visit: Visit) -> Response:
        return JSONResponse(self.studio.clip(visit, request.path_params["clip"]).described())

    async def _clip_file(self, request: Request, visit: Visit) -> Response:
        clip = self.studio.clip(visit, request.path_params["clip"])
        path = {"sound": clip.path, "midi": clip.midi}.get(request.path_params["part"])
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, media_type=SOUNDS[path.suffix])

    # -- work

    async def _swap(self, request: Request, visit: Visit) -> Response:
        asked = await sending.json_object(request)
        return await _begun(lambda: self.studio.swap(visit, asked))

    async def _compose(self, request: Request, visit: Visit) -> Response:
        asked = await sending.json_object(request)
        return await _begun(lambda: self.studio.compose(visit, asked))

    async def _learn(self, request: Request, visit: Visit) -> Response:
        asked = await sending.json_object(request)
        name = clips.title(asked.get("name"), UNTITLED)
        return await _begun(lambda: self.studio.learn(visit, asked, name))

    # -- the library

    async def _sounds(self, request: Request, visit: Visit) -> Response:
        model = self.studio.pipeline.fingerprint if self.studio.pipeline else ""
        entries = await run_in_threadpool(self.studio.library.entries)
        return JSONResponse({"sounds": [entry.described(model) for entry in entries]})

    async def _sound(self, request: Request, visit: Visit) -> Response:
        entry = self.studio.library.find(request.path_params["sound"])
        clip = await run_in_threadpool(clips.opened, self.studio.library.preview(entry.id), entry.name)
        return JSONResponse({**clip.described(), "notes": PREVIEW_NOTES, "id": entry.id})

    async def _bring(self, request: Request, visit: Visit) -> Response:
        name = clips.title(request.query_params.get("name"), UNTITLED)
        path = await sending.store(request, visit.folder, SOUND_ENDING, self.bounds.largest)
        return await _begun(lambda: self.studio.bring(visit, path, name))

    async def _rename(self, request: Request, visit: Visit) -> Response:
        name = clips.title((await sending.json_object(request)).get("name"), UNTITLED)
        key = request.path_params["sound"]
        await run_in_threadpool(self.studio.library.rename, key, name)
        return JSONResponse({"name": name})

    async def _remove(self, request: Request, visit: Visit) -> Response:
        await run_in_threadpool(self.studio.library.remove, request.path_params["sound"])
        return JSONResponse({})

    async def _sound_file(self, request: Request, visit: Visit) -> Response:
        library, key = self.studio.library, request.path_params["sound"]
        part = request.path_params["part"]
        if part == "file":
            return FileResponse(library.sound(key), media_type="application/octet-stream")
        if part == "preview":
            return FileResponse(library.preview(key), media_type=SOUNDS[".flac"])
        raise HTTPException(404)

    async def _map(self, request: Request, visit: Visit) -> Response:
        return JSONResponse({"points": await run_in_threadpool(self.studio.places)})

    # -- facts about the server

    async def _bench(self, request: Request, visit: Visit) -> Response:
        reports = await run_in_threadpool(self._found_reports)
        return JSONResponse({"reports": [path.parent.name for path in reports]})

    async def _about_page(self, request: Request, visit: Visit) -> Response:
        if self._about is None and self.studio.pipeline is not None:
            self._about = await run_in_threadpool(about, self.studio.pipeline)
        return JSONResponse(self._about or {})


def about(pipeline: Pipeline) -> dict[str, Any]:
    """The facts about the model and the codec that the page shows."""
    model, codec = pipeline.model, pipeline.codec
    return {
        "version": msdae.__version__,
        "model": model.kind,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "levels": model.stage,
        "fingerprint": pipeline.fingerprint,
        "trained": str(model.provenance.get("data", "")),
        "guidance": list(model.config.guidance or ()),
        "codec": codec.name,
        "codec_fingerprint": codec.fingerprint,
        "device": str(pipeline.device),
    }


async def _begun(begin: Callable[[], Job]) -> Response:
    return JSONResponse({"job": (await run_in_threadpool(begin)).id})


def _page() -> dict[str, tuple[str, bytes]]:
    """{URL path: (media type, content)} of the page's own files."""
    found = {}
    for file in (resources.files("msdae.app") / "page").iterdir():
        kind = KINDS.get(Path(file.name).suffix)
        if kind is not None:
            found["/" if file.name == "index.html" else f"/{file.name}"] = (kind, file.read_bytes())
    return found


async def _said(request: Request, error: Exception) -> Response:
    """The answer to an error that the visitor can do something about: its message."""
    said = of_system(error)
    if said is None:
        raise error
    if isinstance(cause := error.__cause__ or error, OSError):
        logger.error("%s: %s", request.url.path, cause)
    return JSONResponse({"error": str(said)}, 400)


async def _fault(request: Request, error: Exception) -> Response:
    """The answer to an error in the program, which the guard logs."""
    return JSONResponse({"error": FAULT}, 500)


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": "there is nothing here"}, status)
