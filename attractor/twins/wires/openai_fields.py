"""The fields that requests to OpenAI may have, on either of its wires."""

RESPONSE_FIELDS = frozenset(
    {
        *("background", "client_metadata", "context_management", "conversation", "include"),
        *("input",),
        *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "model"),
        *("moderation", "parallel_tool_calls", "previous_response_id", "prompt"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning"),
        *("safety_identifier", "service_tier", "store", "stream", "stream_options"),
        *("temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p"),
        *("truncation", "user"),
    }
)
OPENAI_CHAT_FIELDS = frozenset(
    {
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias"),
        *("logprobs", "max_completion_tokens", "max_tokens", "messages", "metadata"),
        *("modalities", "model", "moderation", "n", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "reasoning_effort", "response_format"),
        *("safety_identifier", "seed", "service_tier", "stop", "store", "stream"),
        *("stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p"),
        *("user", "verbosity", "web_search_options"),
    }
)
# What other servers of Chat Completions take beside: this wire stands in for them too.
_OF_OTHERS = frozenset(
    {
        *("best_of", "cache_prompt", "chat_template_kwargs", "enable_thinking", "grammar"),
        *("guided_choice", "guided_grammar", "guided_json", "guided_regex", "ignore_eos"),
        *("include_reasoning", "include_stop_str_in_output", "json_schema", "keep_alive"),
        *("length_penalty", "min_p", "min_tokens", "mirostat", "mirostat_eta", "mirostat_tau"),
        *("models", "num_ctx", "options", "plugins", "prefix", "priority", "provider"),
        *("reasoning", "reasoning_format", "reasoning_split", "repeat_penalty"),
        *("repetition_penalty", "route", "safe_prompt", "search_parameters"),
        *("skip_special_tokens", "slot_id", "stop_token_ids", "structured_outputs", "think"),
        *("thinking", "thinking_budget", "top_a", "top_k", "top_n_sigma", "transforms"),
        *("typical_p", "usage", "use_beam_search", "web_search"),
    }
)
CHAT_FIELDS = OPENAI_CHAT_FIELDS | _OF_OTHERS
