"""The four dashboards: what is asked for each picture."""

from __future__ import annotations

from cluster.kube.dashboards.panel import ENGINE, MODEL, WINDOW, Dashboard, Panel, p95, promised, rates

_ANSWERED = f'sum(rate(freehold_requests_total{{model!=""}}{WINDOW}))'
_ABROAD = "on (model) group_left () max by (model) (freehold_target_outside)"
_TOKENS = f"sum by (model) (rate(freehold_completion_tokens_total{WINDOW}))"

FLEET = Dashboard(
    "fleet",
    "Freehold: fleet",
    (
        Panel("Requests", "reqps", {"{{model}}": rates("freehold_requests_total", "model")}),
        Panel(
            "Error budgets: how fast they burn",
            "none",
            {"{{promise}}": "freehold:slo_burn:rate1h"},
            "Over the last hour, by the fleet file's slo. At 1 the budget of 30 days lasts 30 days, at 14.4 two.",
        ),
        Panel(
            "Tokens generated", "short", {"{{model}}": rates("freehold_completion_tokens_total", "model")}, "A second."
        ),
        Panel(
            "Time to first token, p95",
            "s",
            {"{{model}}": p95("time_to_first_token_seconds"), "promised": promised("ttft")},
        ),
        Panel(
            "Time per output token, p95",
            "s",
            {"{{model}}": p95("time_per_output_token_seconds"), "promised": promised("tpot")},
        ),
        Panel("Whole answer, p95", "s", {"{{model}}": p95("e2e_request_latency_seconds"), "promised": promised("e2e")}),
        Panel(
            "Replicas",
            "short",
            {
                "{{model}}": f"max by (model) (freehold_replicas{MODEL})",
                "{{model}} wanted": f"max by (model) (freehold_replicas_wanted{MODEL})",
            },
            "As freehold up counts them, and what the autoscaling policy slo decided; the gateway's page says why.",
        ),
        Panel(
            "Replicas that Prometheus sees",
            "short",
            {"{{model_name}}": f"count by (model_name) (vllm:num_requests_running{ENGINE})"},
            "On Kubernetes: what the autoscaler, or a failure, made of them.",
        ),
        Panel(
            "In the engines",
            "short",
            {
                "{{model_name}} running": f"sum by (model_name) (vllm:num_requests_running{ENGINE})",
                "{{model_name}} waiting": f"sum by (model_name) (vllm:num_requests_waiting{ENGINE})",
            },
            "Why replicas come and go.",
        ),
        Panel(
            "KV cache in use, fullest replica",
            "percentunit",
            {"{{model_name}}": f"max by (model_name) (vllm:kv_cache_usage_perc{ENGINE})"},
        ),
        Panel(
            "Prompt tokens that the prefix cache held",
            "percentunit",
            {
                "{{model_name}}": rates("vllm:prefix_cache_hits_total", "model_name", chosen=ENGINE)
                + " / "
                + rates("vllm:prefix_cache_queries_total", "model_name", chosen=ENGINE)
            },
        ),
        Panel(
            "Preemptions",
            "cps",
            {"{{model_name}}": rates("vllm:num_preemptions_total", "model_name", chosen=ENGINE)},
            "Sequences that lost their KV cache to others and are computed again: it is too small for this load.",
        ),
    ),
)

ROUTER = Dashboard(
    "router",
    "Freehold: router",
    (
        Panel("Why a model was chosen", "reqps", {"{{reason}}": rates("freehold_requests_total", "reason")}),
        Panel("Who answered, by tier", "reqps", {"{{tier}}": rates("freehold_requests_total", "tier")}),
        Panel(
            "How requests ended",
            "reqps",
            {"{{outcome}}": rates("freehold_outcomes_total", "outcome", chosen="")},
            "refused: 4xx. failed: no target answered. cut: an error ended the stream. gone: the client left first.",
        ),
        Panel(
            "Spilled",
            "percentunit",
            {"share": f'sum(rate(freehold_requests_total{{reason=~"spill-.*"}}{WINDOW})) / {_ANSWERED}'},
            "Of all requests that a model was chosen for, those that no local model took.",
        ),
        Panel(
            "Under way, and waiting for a slot",
            "short",
            {
                "{{model}} under way": f"sum by (model) (freehold_in_flight{MODEL})",
                "{{model}} waiting": f"sum by (model) (freehold_queue_length{MODEL})",
            },
        ),
        Panel("Wait for a slot, p95", "s", {"{{model}}": p95("queue_seconds")}, "Of those that had to wait."),
        Panel(
            "Failed attempts", "cps", {"{{model}} {{cause}}": rates("freehold_upstream_errors_total", "model", "cause")}
        ),
        Panel("Attempts that followed one", "cps", {"{{model}}": rates("freehold_upstream_retries_total", "model")}),
        Panel(
            "Open breakers",
            "short",
            {"{{model}}": f"max by (model) (freehold_breaker_open{MODEL})"},
            kind="state-timeline",
        ),
        Panel(
            "The cascade's verdicts",
            "reqps",
            {"{{verdict}}": rates("freehold_cascade_trials_total", "verdict")},
            "With routing.cascade: first tokens of small that were held back, and what became of them.",
        ),
        Panel(
            "Deciding, p99",
            "s",
            {"gateway": f"histogram_quantile(0.99, sum by (le) (rate(freehold_decision_seconds_bucket{WINDOW})))"},
        ),
        Panel(
            "Ledger: age of the oldest row that waits",
            "s",
            {"{{instance}}": "max by (instance) (freehold_ledger_lag_seconds)"},
            "0 while the database takes rows.",
        ),
    ),
)

SPEND = Dashboard(
    "spend",
    "Freehold: spend",
    (
        Panel(
            "Left of the budget",
            "percentunit",
            {"{{window}}": "min by (window) (freehold_budget_left_ratio)"},
            kind="gauge",
        ),
        Panel(
            "Left of the budget, in dollars",
            "currencyUSD",
            {"{{window}}": "min by (window) (freehold_budget_left_ratio) * max by (window) (freehold_budget_usd)"},
        ),
        Panel(
            "Paid, an hour",
            "currencyUSD",
            {"{{model}}": f"3600 * {rates('freehold_cost_usd_total', 'model')}"},
            "By list price, all attempts of a request together.",
        ),
        Panel(
            "Saved, an hour",
            "currencyUSD",
            {
                "saved": f"3600 * (sum(rate(freehold_baseline_usd_total{WINDOW}))"
                f" - sum(rate(freehold_cost_usd_total{WINDOW})))"
            },
            "What spillover.baseline would have charged for everything, less what was paid. GPUs are not in it.",
        ),
        Panel(
            "Answered on site, of requests",
            "percentunit",
            {
                "share": f'1 - sum(sum by (model) (rate(freehold_requests_total{{model!=""}}{WINDOW})) * {_ABROAD})'
                f" / {_ANSWERED}"
            },
        ),
        Panel(
            "Answered on site, of tokens", "percentunit", {"share": f"1 - sum({_TOKENS} * {_ABROAD}) / sum({_TOKENS})"}
        ),
        Panel("Bytes that left the site", "Bps", {"{{model}}": rates("freehold_egress_bytes_total", "model")}),
        Panel(
            "Tokens by tenant",
            "short",
            {"{{tenant}}": f"topk(10, {rates('freehold_tenant_tokens_total', 'tenant', chosen='')})"},
            "A second, of the ten that use most; for the tenants that tenants.in_metrics names.",
        ),
        Panel(
            "Paid by tenant, an hour",
            "currencyUSD",
            {"{{tenant}}": f"topk(10, 3600 * {rates('freehold_tenant_cost_usd_total', 'tenant', chosen='')})"},
        ),
    ),
)

_GPU = "{{instance}} {{gpu}}"

GPU = Dashboard(
    "gpu",
    "Freehold: GPUs",
    (
        Panel("Busy", "percentunit", {_GPU: "freehold_gpu_utilization_ratio"}, "Share of time in which a kernel ran."),
        Panel(
            "Memory in use", "percentunit", {_GPU: "freehold_gpu_memory_used_bytes / freehold_gpu_memory_total_bytes"}
        ),
        Panel("Memory by model", "bytes", {"{{model}}": "sum by (model) (freehold_gpu_process_memory_bytes)"}),
        Panel(
            "Power, of its limit", "percentunit", {_GPU: "freehold_gpu_power_watts / freehold_gpu_power_limit_watts"}
        ),
        Panel("Temperature", "celsius", {_GPU: "freehold_gpu_temperature_celsius"}),
        Panel("Clock of the multiprocessors", "hertz", {_GPU: 'freehold_gpu_clock_hertz{clock="sm"}'}),
        Panel(
            "Slowed down",
            "short",
            {f"{_GPU} {{{{reason}}}}": "freehold_gpu_throttled == 1"},
            "hw_*: by its hardware, for heat or the power supply. sw_power_cap at full load is usual.",
            kind="state-timeline",
        ),
        Panel("PCIe", "Bps", {f"{_GPU} {{{{direction}}}}": "freehold_gpu_pcie_bytes_per_second"}),
        Panel("NVLinks that are up", "short", {_GPU: "freehold_gpu_nvlinks_active"}),
        Panel(
            "Memory errors since the driver was loaded",
            "short",
            {f"{_GPU} {{{{kind}}}}": "freehold_gpu_ecc_errors_total"},
        ),
        Panel(
            "Xid errors since the agent began", "short", {f"{_GPU} Xid {{{{xid}}}}": "freehold_gpu_xid_errors_total"}
        ),
        Panel(
            "To be drained",
            "short",
            {f"{_GPU} {{{{cause}}}}": "freehold_gpu_condemned"},
            "0 is well. What each cause means and what to do: docs/monitoring.md.",
        ),
        Panel("Memory of MIG instances", "bytes", {f"{_GPU} {{{{mig}}}}": "freehold_gpu_mig_memory_used_bytes"}),
    ),
    by_model=False,
)

PAGES = (FLEET, ROUTER, SPEND, GPU)
