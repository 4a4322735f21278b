"""The GraphQL operations that the W&B client 0.31 sends, by their names."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from tests.recording.records import Artifact, Run, opaque
from tests.recording.sweeps import SweepOperations

__all__ = ["Operations"]

Variables = dict[str, Any]


def _packed(config: dict[str, Any]) -> str:
    return json.dumps({name: {"value": value} for name, value in config.items()})


@dataclass
class Operations(SweepOperations):
    """Answers by operation: to add one, add a method of its name. All of them run under one lock."""

    url: str = ""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    views: list[Variables] = field(default_factory=list)
    """The reports that were written."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def run(self, name: str) -> Run:
        return self.runs.setdefault(name, Run(name))

    # --- who and what is there

    def Viewer(self, _: Variables) -> Variables:  # noqa: N802 - the service's own names
        edges = [{"node": {"name": self.entity}}]
        who = {"id": opaque("User:1"), "entity": self.entity, "username": self.entity, "email": "someone@example.org"}
        return {"viewer": {**who, "flags": "{}", "admin": False, "teams": {"edges": edges}}}

    GetDefaultEntity = Viewer

    def ServerFeaturesQuery(self, _: Variables) -> Variables:  # noqa: N802
        return {"serverInfo": {"features": []}}

    def OrganizationCoreWeaveOrganizationID(self, _: Variables) -> Variables:  # noqa: N802
        return {"entity": {"organization": None}}

    # --- runs

    def UpsertBucket(self, variables: Variables) -> Variables:  # noqa: N802
        name = variables.get("name") or f"run{next(self.numbers)}"
        new = name not in self.runs or self.runs[name].complete  # not resumed, a finished run starts anew
        run = self.runs[name] = Run(name) if new else self.run(name)
        if variables.get("config"):
            run.config.update({key: item.get("value") for key, item in json.loads(variables["config"]).items()})
        if variables.get("summaryMetrics"):
            run.summary.update(json.loads(variables["summaryMetrics"]))
        run.described.update({key: value for key, value in variables.items() if value is not None and key != "config"})
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": new}}

    def RunResumeStatus(self, variables: Variables) -> Variables:  # noqa: N802
        run = self.runs.get(variables["name"])
        if run is None:
            return {"model": None}
        last = [json.dumps(row) for row in run.history[-1:]]
        counts = {"logLineCount": 0, "historyLineCount": len(run.history), "eventsLineCount": 0}
        tails = {"historyTail": json.dumps(last), "eventsTail": "[]"}
        bucket = {**self._bucket(run), **counts, **tails, "wandbConfig": json.dumps({"t": 1})}
        return {"model": {**self._project(variables), "bucket": bucket}}

    def RunStoppedStatus(self, variables: Variables) -> Variables:  # noqa: N802
        return {"project": {"run": {"stopped": variables["runId"] in self.stops}}}

    def CreateRunFiles(self, variables: Variables) -> Variables:  # noqa: N802
        files = [{"name": f, "uploadUrl": f"{self.url}/upload/run/{variables['run']}/{f}"} for f in variables["files"]]
        return {"createRunFiles": {"runID": opaque(f"Run:{variables['run']}"), "uploadHeaders": [], "files": files}}

    def NotifyScriptableRunAlert(self, variables: Variables) -> Variables:  # noqa: N802
        self.run(variables["runName"]).alerts.append(variables)
        return {"notifyScriptableRunAlert": {"success": True}}

    def _bucket(self, run: Run) -> Variables:
        shown = run.described.get("displayName") or run.name
        return {
            "id": opaque(f"Run:v1:{run.name}"),
            "name": run.name,
            "displayName": shown,
            "description": "",
            "config": _packed(run.config),
            "summaryMetrics": json.dumps(run.summary),
            "tags": run.described.get("tags") or [],
            "sweepName": run.described.get("sweep"),
            "historyLineCount": len(run.history),
            "project": self._project(run.described),
        }

    def _project(self, variables: Variables) -> Variables:
        entity = {"id": opaque("Entity:1"), "name": variables.get("entity") or self.entity}
        return {"id": opaque("Project:1"), "name": variables.get("project") or "uncategorized", "entity": entity}

    # --- what the client's public interface asks

    def Run(self, variables: Variables) -> Variables:  # noqa: N802
        run = self.runs.get(variables["name"])
        if run is None:
            return {"project": {"run": None}}
        moments = {"createdAt": "2026-01-01T00:00:00", "heartbeatAt": "2026-01-01T00:00:00"}
        texts = {"description": None, "notes": None, "commit": None, "user": {"name": "x", "username": "x"}}
        last = max((row["_step"] for row in run.history if "_step" in row), default=-1)
        facts = {
            "projectId": "1",
            "state": run.state,
            "group": run.described.get("groupName"),
            "jobType": run.described.get("jobType"),
            "readOnly": False,
            "systemMetrics": "{}",
            "historyKeys": {"lastStep": last, "keys": {}},
        }
        return {"project": {"run": {**self._bucket(run), **moments, **texts, **facts}}}

    def RunHistoryKeys(self, variables: Variables) -> Variables:  # noqa: N802
        last = max((row.get("_step", -1) for row in self.run(variables["name"]).history), default=-1)
        return {"project": {"run": {"historyKeys": {"lastStep": last, "keys": {}}}}}

    # --- reports

    def ProjectInternalId(self, _: Variables) -> Variables:  # noqa: N802
        return {"project": {"id": opaque("Project:1"), "internalId": opaque("Project:1")}}

    def GetProjects(self, _: Variables) -> Variables:  # noqa: N802
        page = {"endCursor": None, "hasNextPage": False}
        return {"models": {"edges": [], "pageInfo": page, "__typename": "ProjectConnection"}}

    def CreateProject(self, variables: Variables) -> Variables:  # noqa: N802
        project = {"id": opaque("Project:1"), "name": variables["input"]["name"], "entityName": self.entity}
        return {"result": {"project": project, "model": project, "inserted": True}}

    def upsertView(self, variables: Variables) -> Variables:  # noqa: N802
        self.views.append(variables)
        kept = {name: variables.get(name) for name in ("name", "displayName", "description", "type", "spec")}
        project = {"id": opaque("Project:1"), "name": variables["projectName"], "entityName": variables["entityName"]}
        view = {**kept, "id": opaque(f"View:{len(self.views)}"), "project": project, "updatedAt": "2026-01-01T00:00:00"}
        return {"upsertView": {"view": view, "inserted": True}}

    # --- artifacts

    def ArtifactType(self, _: Variables) -> Variables:  # noqa: N802
        return {"project": {"artifact": None}}

    def CreateArtifact(self, variables: Variables) -> Variables:  # noqa: N802
        number = opaque(f"Artifact:{next(self.numbers)}")
        self.artifacts[number] = Artifact(variables["input"])
        sequence = {"id": opaque("Sequence:1"), "latestArtifact": None}
        return {"createArtifact": {"artifact": {"id": number, "state": "PENDING", "artifactSequence": sequence}}}

    def CreateArtifactManifest(self, variables: Variables) -> Variables:  # noqa: N802
        file = self._manifest_file(variables["artifactID"], variables.get("name"))
        return {"createArtifactManifest": {"artifactManifest": {"id": opaque("Manifest:1"), "file": file}}}

    def UpdateArtifactManifest(self, variables: Variables) -> Variables:  # noqa: N802
        file = self._manifest_file(variables["artifactID"], "wandb_manifest.json")
        return {"updateArtifactManifest": {"artifactManifest": {"id": variables["artifactManifestID"], "file": file}}}

    def CreateArtifactFiles(self, variables: Variables) -> Variables:  # noqa: N802
        edges = [{"node": self._artifact_file(each)} for each in variables["input"]["artifactFiles"]]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def CommitArtifact(self, variables: Variables) -> Variables:  # noqa: N802
        artifact = self.artifacts[variables["artifactID"]]
        artifact.committed = True
        digest = artifact.described.get("digest", "")
        return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": digest}}}

    def ArtifactMembershipByName(self, variables: Variables) -> Variables:  # noqa: N802
        """Only what is committed is a member of anything."""
        name, _, alias = variables["name"].partition(":")
        held = [a for a in self.artifacts.values() if a.committed and a.name == name and alias in a.aliases]
        member = self._membership(held[-1], variables) if held else None
        return {"project": {"artifactCollectionMembership": member}}

    def _membership(self, artifact: Artifact, variables: Variables) -> Variables:
        project = {"id": "1", "internalId": "1", "name": variables["project"], "entity": {"name": variables["entity"]}}
        sequence = {"__typename": "ArtifactSequence", "name": artifact.name, "project": project}
        moments = {"createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00"}
        counts = {"versionIndex": 0, "size": 1, "fileCount": len(artifact.files), "ttlDurationSeconds": -2}
        texts = {"description": None, "metadata": "{}", "digest": artifact.described["digest"], "commitHash": "x"}
        flags = {"ttlIsInherited": True, "tags": [], "historyStep": None, "state": "COMMITTED", "aliases": []}
        kind = {"artifactType": {"name": artifact.described["artifactTypeName"]}, "artifactSequence": sequence}
        inner = {"__typename": "Artifact", "id": opaque("Artifact:1"), **kind, **moments, **counts, **texts, **flags}
        outer = {"__typename": "ArtifactCollectionMembership", "id": opaque("Member:1"), "versionIndex": 0}
        return {
            **outer,
            "createdAt": moments["createdAt"],
            "aliases": [],
            "artifactCollection": sequence,
            "artifact": inner,
        }

    def _manifest_file(self, number: str, name: str | None) -> Variables:
        address = f"{self.url}/upload/manifest/{number}"
        return {"id": opaque("File:1"), "name": name, "displayName": name, "uploadUrl": address, "uploadHeaders": []}

    def _artifact_file(self, variables: Variables) -> Variables:
        number, name = variables["artifactID"], variables["name"]
        upload = {"uploadUrl": f"{self.url}/upload/artifact/{number}/{name}", "uploadHeaders": []}
        names = {"id": opaque(f"File:{name}"), "name": name, "displayName": name, "storagePath": name}
        return {**names, **upload, "uploadMultipartUrls": None, "artifact": {"id": number}}
