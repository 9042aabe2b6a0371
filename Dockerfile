# The pinned torch includes its CUDA libraries. For a smaller image without GPU support, set
# TORCH_INDEX to the address of PyTorch's CPU wheels.
FROM node:20-slim AS page
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend ./
RUN npm run build

FROM python:3.11-slim
ARG TORCH_INDEX=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp DATA_DIR=/data
WORKDIR /app
COPY requirements.txt constraints-cuda.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep -o '^torch==[^ ]*' requirements.txt)"; \
    fi \
    && pip install --no-cache-dir -r requirements.txt
COPY manage.py LICENSE ./
COPY kernels kernels
COPY analysis analysis
COPY models models
COPY workbench workbench
COPY --from=page /src/frontend/dist frontend/dist
RUN useradd --uid 10001 --no-create-home glassbench && install -d -o glassbench /data
USER glassbench
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "serve"]
