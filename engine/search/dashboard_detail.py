"""The dashboard's largest answer, all trials of a study, made once and after that of new trials alone.

optuna-dashboard builds it anew for everyone who asks: 30 MB for 5,000 trials, mostly the same distributions again and
again.
"""

import copy
import gzip
import json
import math
import numbers
import re
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
DETAIL = re.compile(r"/api/studies/(\d+)")
WORTH_PACKING = 50_000
PREFERENTIAL = "preference:is_preferential"


class Details:
    """Answers `/api/studies/NUMBER` of a storage as its dashboard does."""

    def __init__(self, app: Wsgi, storage: BaseStorage) -> None:
        """Take the dashboard, for everything else, and the storage that it shows."""
        self.app = app
        self.storage = storage
        self._lock = threading.Lock()
        self._kept: dict[int, _Detail] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        # The dashboard looks it up without asking whether it is there.
        environ.setdefault("HTTP_ACCEPT_ENCODING", "")
        asked = DETAIL.fullmatch(environ.get("PATH_INFO", ""))
        after = parse_qs(environ.get("QUERY_STRING", "")).get("after", ["0"])[0]
        if environ["REQUEST_METHOD"] != "GET" or not asked or not re.fullmatch(r"\d{1,9}", after):
            return self.app(environ, start_response)
        try:
            with self._lock:
                body = self._answer(int(asked[1]), int(after))
        except Exception:
            # Another program's study may hold anything; the dashboard has an answer for what can't be read.
            body = None
        if body is None:
            return self.app(environ, start_response)
        headers = {"Content-Type": "application/json", "Vary": "Accept-Encoding"}
        if len(body) > WORTH_PACKING and "gzip" in environ["HTTP_ACCEPT_ENCODING"]:
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        start_response("200 OK", [*headers.items(), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, study_id: int, after: int) -> bytes | None:
        """The answer, or None for a study that isn't there or is of a kind that the dashboard describes by itself."""
        study = next((one for one in self.storage.get_all_studies() if one._study_id == study_id), None)
        if study is None or len(study.directions) != 1 or study.system_attrs.get(PREFERENTIAL):
            self._kept.pop(study_id, None)
            return None
        kept = self._kept.get(study_id)
        if kept is None or kept.attributes != study.system_attrs:
            # Notes and artifacts of trials are attributes of the study.
            kept = self._kept[study_id] = _Detail(study.system_attrs)
        return kept.write(study, self.storage.get_all_trials(study_id, deepcopy=False), after)


class _Detail:
    """What was written of a study, by trial."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        from optuna_dashboard._inmemory_cache import _CachedExtraStudyProperty

        self.attributes = copy.deepcopy(attributes)
        self._written: dict[int, bytes] = {}
        self._spaces = _CachedExtraStudyProperty()
        self._seen: set[Any] = set()
        self._held: list[BaseDistribution] = []
        """So that no other distribution gets the number of one that was seen."""
        self._distributions: dict[int, tuple[BaseDistribution, str]] = {}

    def write(self, study: FrozenStudy, trials: list[FrozenTrial], after: int) -> bytes:
        from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
        from optuna_dashboard._serializer import serialize_study_detail

        for trial in trials:
            self._note_space(trial)
        detail = serialize_study_detail(
            study,
            _best(study, trials),
            [],
            self._spaces.intersection_search_space,
            self._spaces.union_search_space,
            self._spaces.union_user_attrs,
            self._spaces.has_intermediate_values,
            get_plotly_graph_objects(study.system_attrs),
            [],
        )
        del detail["trials"]
        written = b",".join(self._trial(study, one) for one in trials[after:])
        return json.dumps(detail).encode()[:-1] + b',"trials":[' + written + b"]}"

    def _note_space(self, trial: FrozenTrial) -> None:
        """Add a trial's settings and attributes to what the study has, unless they are the same as another one's."""
        mark = (
            trial.state == TrialState.FAIL,
            bool(trial.intermediate_values),
            tuple((name, id(one)) for name, one in trial.distributions.items()),
            tuple((name, isinstance(one, numbers.Real)) for name, one in trial.user_attrs.items()),
        )
        if mark not in self._seen:
            self._seen.add(mark)
            self._held += trial.distributions.values()
            self._spaces._cursor = -1
            self._spaces.update([trial])

    def _trial(self, study: FrozenStudy, trial: FrozenTrial) -> bytes:
        known = self._written.get(trial._trial_id)
        if known is None:
            known = self._write_trial(study, trial)
            if trial.state.is_finished():
                self._written[trial._trial_id] = known
        return known

    def _write_trial(self, study: FrozenStudy, trial: FrozenTrial) -> bytes:
        from optuna_dashboard._serializer import serialize_frozen_trial

        bare = copy.copy(trial)
        bare._params = {}
        rest = json.dumps(serialize_frozen_trial(study._study_id, bare, study.system_attrs) | {"params": None})
        params = ",".join(self._param(name, value, trial.distributions[name]) for name, value in trial.params.items())
        # A quotation mark inside a text is written with a backslash, so this stands only where it is the trial's own.
        return rest.replace('"params": null', f'"params": [{params}]', 1).encode()

    def _param(self, name: str, value: Any, distribution: BaseDistribution) -> str:
        from optuna_dashboard._serializer import serialize_distribution

        kept = self._distributions.get(id(distribution))
        if kept is None:
            kept = self._distributions[id(distribution)] = (
                distribution,
                json.dumps(serialize_distribution(distribution)),
            )
        internal = distribution.to_internal_repr(value)
        number = repr(internal) if math.isfinite(internal) else json.dumps(internal)
        written = f'"{value}"' if type(value) in (int, float) else json.dumps(str(value))
        return (
            f'{{"name":{_quoted(name)},"param_internal_value":{number},"param_external_value":{written},'
            f'"param_external_pytyp":{_quoted(str(type(value)))},"distribution":{kept[1]}}}'
        )


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return json.dumps(text)


def _best(study: FrozenStudy, trials: list[FrozenTrial]) -> list[FrozenTrial]:
    complete = [one for one in trials if one.state == TrialState.COMPLETE and one.value is not None]
    sign = -1.0 if study.directions[0] == StudyDirection.MAXIMIZE else 1.0
    fine = [one for one in complete if not math.isnan(one.value or 0.0)]
    return [min(fine, key=lambda one: (sign * (one.value or 0.0), one.number))] if fine else []
