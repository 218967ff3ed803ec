{{/* Name of everything in the release's namespace. */}}
{{- define "collodion.name" -}}
collodion-operator
{{- end }}

{{/* Name of what is in no namespace: two releases must not share it. */}}
{{- define "collodion.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "collodion.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "collodion.selector" -}}
app.kubernetes.io/name: collodion
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "collodion.labels" -}}
{{ include "collodion.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "collodion.operatorImage" -}}
{{ .Values.operator.image.repository }}:{{ .Values.operator.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "collodion.workerImage" -}}
{{ .Values.worker.image.repository }}:{{ .Values.worker.image.tag | default .Chart.AppVersion }}
{{- end }}
