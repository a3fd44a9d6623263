{{/* What every pod shares: the restricted profile of Kubernetes' pod security standards, and a read-only root. */}}
{{- define "freehold.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "freehold.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "freehold.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Directories that a process may write to. */}}
{{- define "freehold.scratchVolumes" -}}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- end }}

{{- define "freehold.scratchMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /var/lib/freehold}
{{- end }}

{{/* Weights. Takes a dictionary of root and model. */}}
{{- define "freehold.weightsVolume" -}}
{{- $weights := .Values.engines.weights -}}
- name: weights
{{- if eq $weights.type "create" }}
  persistentVolumeClaim: {claimName: {{ include "freehold.name" . }}-weights}
{{- else if eq $weights.type "existing" }}
  persistentVolumeClaim: {claimName: {{ required "engines.weights.claim is needed for type existing" $weights.claim }}}
{{- else if eq $weights.type "hostPath" }}
  hostPath: {path: {{ required "engines.weights.path is needed for type hostPath" $weights.path }}, type: DirectoryOrCreate}
{{- else }}
  emptyDir: {}
{{- end }}
{{- end }}

{{- define "freehold.prefetches" -}}
{{- $weights := .Values.engines.weights -}}
{{- if and $weights.prefetch (ne $weights.type "none") (ne .Values.engines.mode "simulated") -}}true{{- end -}}
{{- end }}

{{/* The file that says that a model's weights are there. */}}
{{- define "freehold.weightsMark" -}}
/weights/.fetched/{{ .slug }}-{{ printf "%s@%s" .spec.source (.spec.revision | default "main") | sha256sum | trunc 8 }}
{{- end }}

{{- define "freehold.weightsEnv" -}}
- {name: HF_HOME, value: /weights}
{{- if and .Values.engines.weights.offline (ne .Values.engines.weights.type "none") }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}
{{- end }}

{{/* What one pod of a replica asks for. Takes a dictionary of root and model. */}}
{{- define "freehold.engineResources" -}}
{{- $model := .model -}}
{{- if or (eq $model.gpu "cpu") (eq .root.Values.engines.mode "simulated") -}}
requests: {cpu: {{ $model.cpus | default 1 | quote }}, memory: {{ ternary "512Mi" "8Gi" (eq .root.Values.engines.mode "simulated") }}}
limits: {memory: {{ ternary "1Gi" "16Gi" (eq .root.Values.engines.mode "simulated") }}}
{{- else -}}
{{- $profile := get .root.Values.engines.gpuProfiles $model.gpu -}}
{{- if not $profile -}}
{{- fail (printf "models.%s: no engines.gpuProfiles.%s; add one, with the resource and the nodes of that GPU" $model.name $model.gpu) -}}
{{- end -}}
{{- $gpus := div (int $model.gpus) (int $model.hosts) -}}
requests:
  cpu: {{ mulf (include "freehold.cores" $profile.cpu) $gpus | quote }}
  memory: {{ include "freehold.times" (dict "amount" $profile.memory "by" $gpus) }}
  {{ $profile.resource }}: {{ $gpus | quote }}
limits:
  memory: {{ include "freehold.times" (dict "amount" $profile.memory "by" $gpus) }}
  {{ $profile.resource }}: {{ $gpus | quote }}
{{- end -}}
{{- end }}

{{/* Cores of a quantity: 500m is 0.5. */}}
{{- define "freehold.cores" -}}
{{- if hasSuffix "m" . }}{{ divf (trimSuffix "m" .) 1000 }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{/* A quantity of whole units, so many times. */}}
{{- define "freehold.times" -}}
{{- $number := regexFind "^[0-9]+" .amount -}}
{{ mul (int64 $number) .by }}{{ trimPrefix $number .amount }}
{{- end }}

{{/* Nodes of a model's GPU. Takes a dictionary of root and model. */}}
{{- define "freehold.engineNodes" -}}
{{- if and (ne .model.gpu "cpu") (ne .root.Values.engines.mode "simulated") -}}
{{- $profile := get .root.Values.engines.gpuProfiles .model.gpu -}}
{{- $nodes := dict -}}
{{- range $label, $value := $profile.nodeSelector -}}
{{- if $value -}}{{- $_ := set $nodes $label $value -}}{{- end -}}
{{- end -}}
{{- with $nodes }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $profile.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $profile.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $profile.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $profile.spread }}
topologySpreadConstraints:
{{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "freehold.selector" $.root | nindent 8 }}
        freehold.dev/model: {{ $.model.slug }}
{{- end }}
{{- end }}
{{- end -}}
{{- end }}

{{/* Waits until the prefetch Job has brought a model's weights. */}}
{{- define "freehold.weightsWait" -}}
- name: weights
  image: {{ include "freehold.engineImage" .root }}
  command: ["/bin/sh", "-c", "until [ -e {{ include "freehold.weightsMark" .model }} ]; do sleep 2; done"]
  resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
  securityContext: {{- include "freehold.containerSecurity" .root | nindent 4 }}
  volumeMounts:
    - {name: weights, mountPath: /weights, readOnly: true}
{{- end }}
