{{- define "lab.name" -}}
{{- printf "%s-api" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "lab.selector" -}}
app.kubernetes.io/name: api
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lab.labels" -}}
{{ include "lab.selector" . }}
app.kubernetes.io/version: {{ include "lab.tag" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "lab.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}
