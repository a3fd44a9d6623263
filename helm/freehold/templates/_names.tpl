{{/* Names and labels. KubeRay allows 47 characters: 18 for the release, 28 for a model's slug. */}}
{{- define "freehold.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 18 | trimSuffix "-" -}}
{{- end }}

{{- define "freehold.selector" -}}
app.kubernetes.io/name: freehold
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "freehold.labels" -}}
{{ include "freehold.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: freehold
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of engines' pods: without versions, because another label is another pod, and another hour of loading weights. */}}
{{- define "freehold.engineLabels" -}}
{{ include "freehold.selector" .root }}
app.kubernetes.io/component: engine
freehold.dev/model: {{ .model.slug }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "freehold.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}{{ $image.repository }}@{{ $image.digest }}
{{- else -}}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "freehold.loadTestImage" -}}
{{- $image := .Values.image -}}
{{- if $image.loadTestDigest -}}{{ $image.repository }}@{{ $image.loadTestDigest }}
{{- else -}}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}-loadtest
{{- end -}}
{{- end }}

{{/* Simulated engines need no vLLM. */}}
{{- define "freehold.engineImage" -}}
{{- $image := .Values.image -}}
{{- if eq .Values.engines.mode "simulated" -}}{{ include "freehold.image" . }}
{{- else if $image.engineDigest -}}{{ $image.repository }}@{{ $image.engineDigest }}
{{- else -}}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ $image.engineSuffix }}
{{- end -}}
{{- end }}

{{/* Where the gateway finds engines; {model} and {slug} are filled in by the gateway. */}}
{{- define "freehold.engines" -}}
{{- if eq .Values.engines.mode "ray" -}}
http://{{ include "freehold.name" . }}-{slug}-serve-svc.{{ .Release.Namespace }}.svc:8000/{model}
{{- else -}}
http://{{ include "freehold.name" . }}-{slug}.{{ .Release.Namespace }}.svc:8000
{{- end -}}
{{- end }}
