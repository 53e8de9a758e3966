# The page in a container, on a processor:
#   docker build -t cotdemo . && docker run -p 7860:7860 cotdemo
# The released models on an NVIDIA GPU (TORCH is what uv calls a build of PyTorch: cpu, cu128, cu130, rocm6.4, ...):
#   docker build -t cotdemo --build-arg TORCH=cu128 .
#   docker run --gpus all -p 7860:7860 -v cotdemo-hub:/hub -e COTDEMO_BACKEND=show-o cotdemo
# What is here and what misses:
#   docker run --rm --gpus all -v cotdemo-hub:/hub cotdemo python -m cotdemo doctor
FROM python:3.12-slim

ARG TORCH=cpu
WORKDIR /app
COPY requirements.txt requirements-gpu.txt ./
RUN pip install --no-cache-dir "uv>=0.8" \
    && uv pip install --system --no-cache --torch-backend "$TORCH" -r requirements.txt \
       $(test "$TORCH" = cpu || echo -r requirements-gpu.txt)

COPY app.py .
COPY assets assets
COPY cotdemo cotdemo

# Downloads of the Hub go to a volume, so that a new container finds them; /hub belongs to the user that fills it.
RUN useradd --create-home --uid 1000 user && mkdir /hub && chown user /hub
USER user
ENV HF_HOME=/hub GRADIO_SERVER_NAME=0.0.0.0 GRADIO_ANALYTICS_ENABLED=False PYTHONUNBUFFERED=1
VOLUME /hub
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:7860/health', timeout=9)"]
CMD ["python", "app.py", "--port", "7860"]
