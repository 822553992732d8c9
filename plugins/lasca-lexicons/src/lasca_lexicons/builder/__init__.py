"""`lasca lexicon build`: a new lexicon for any features, in any language, by any language model that `llm` reaches."""
