"""The alert rules and the dashboard's questions, asked of Prometheus's own tools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from tests.kit.compose_file import COMPOSE, server
from tests.kit.without_containers import Service, program


def promtool(*words: str, folder: Path) -> str:
    done = subprocess.run(
        [program("promtool"), *words], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_alert_fires_when_it_should_and_not_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml", folder=COMPOSE / "prometheus")


def test_prometheus_takes_the_rendered_configuration(tmp_path: Path) -> None:
    gateway = server(tmp_path / "gateway", ALERTMANAGER="127.0.0.1:9093")
    project = gateway.project()
    service = Service("prometheus", project["services"]["prometheus"], tmp_path)
    service.prepare(project["secrets"])
    words = [service.here(word) for word in service.spec["entrypoint"]]
    subprocess.run([*words, "true"], env=service.environment, check=True, timeout=30)
    config = service.paths["/run/gateway"] / "prometheus.yml"
    told = promtool("check", "config", str(config), folder=tmp_path)
    assert "1 rule files found" in told
    assert gateway.secret("metrics_token") not in config.read_text()
    assert "127.0.0.1:9093" in config.read_text()


def test_the_dashboard_asks_in_promql(tmp_path: Path) -> None:
    dashboard = json.loads((COMPOSE / "grafana/dashboards/gateway.json").read_text())
    asked = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", [])]
    rules = [
        {"record": f"panel:{i}", "expr": expr.replace("$__rate_interval", "1m")}
        for i, expr in enumerate(asked)
    ]
    assert len(rules) > 20
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file), folder=tmp_path)
