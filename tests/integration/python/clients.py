"""The official clients of OpenAI and Ollama, against a server at URL: prints what they understood as one JSON object.

    clients.py openai|ollama URL MODEL"""
import json
import sys

import ollama
import openai

wire, url, model = sys.argv[1:]
question = [{"role": "user", "content": "hello"}]
found = {}

if wire == "openai":
    client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=20)
    found["models"] = [m.id for m in client.models.list()]
    pieces = list(client.chat.completions.create(model=model, messages=question, stream=True, stream_options={"include_usage": True}))
    found["text"] = "".join(p.choices[0].delta.content or "" for p in pieces if p.choices)
    found["finish"] = [p.choices[0].finish_reason for p in pieces if p.choices][-1]
    usage = [p.usage for p in pieces if p.usage][-1]
    found["usage"] = [usage.prompt_tokens, usage.completion_tokens]
    whole = client.chat.completions.create(model=model, messages=question)
    found["whole"] = whole.choices[0].message.content
    found["vectors"] = [d.embedding for d in client.embeddings.create(model=model, input=["a", "bb"], encoding_format="float").data]
    error = openai.APIError
else:
    client = ollama.Client(host=url, timeout=20)
    found["models"] = [m.model for m in client.list().models]
    shown = client.show(model)
    found["context"] = shown.modelinfo["llama.context_length"]
    pieces = list(client.chat(model=model, messages=question, stream=True))
    found["text"] = "".join(p.message.content for p in pieces)
    found["finish"] = pieces[-1].done_reason
    found["usage"] = [pieces[-1].prompt_eval_count, pieces[-1].eval_count]
    found["whole"] = client.chat(model=model, messages=question).message.content if "whole" in sys.argv else found["text"]
    found["vectors"] = [list(v) for v in client.embed(model=model, input=["a", "bb"]).embeddings]
    error = ollama.ResponseError

# The next generation is told to fail with 500, the one after it in the middle.
for name in ("error", "error-mid"):
    try:
        for _ in client.chat.completions.create(model=model, messages=question, stream=True) if wire == "openai" \
                else client.chat(model=model, messages=question, stream=True):
            pass
        found[name] = None
    except error as e:
        found[name] = str(e)

print(json.dumps(found))
