//! A DNS of answers written down beforehand: for tests, for benchmarks, and for `try`, which looks nothing up.

use super::Dns;
use crate::wire::dns::{Answer, Kind, Name, Question};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Answers by question; whatever is not there does not exist.
#[derive(Default, Debug)]
pub struct Canned {
    answers: HashMap<Question, Answer>,
    asked: Mutex<Vec<Question>>,
}

/// Questions that are remembered, for tests; `try` would otherwise gather them for ever.
const ASKED_MAX: usize = 1_000;

impl Clone for Canned {
    fn clone(&self) -> Canned {
        Canned {
            answers: self.answers.clone(),
            asked: Mutex::new(self.asked()),
        }
    }
}

impl Canned {
    /// Adds an answer. Panics on a name that is none: they are written down in the source.
    pub fn with(mut self, name: &str, kind: Kind, answer: Answer) -> Canned {
        let name = Name::parse_spaced(name).expect("a name written down in the source");
        self.answers.insert(Question::new(name, kind), answer);
        self
    }

    /// What was asked so far, in order; only the first `ASKED_MAX` questions.
    pub fn asked(&self) -> Vec<Question> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The answer: what was written down; another kind of a name that exists has no data.
    pub fn answer(&self, question: &Question) -> Answer {
        if let Some(answer) = self.answers.get(question) {
            return answer.clone();
        }
        match self
            .answers
            .keys()
            .any(|known| known.name.is_under(&question.name))
        {
            true => Answer::insecure(Vec::new()),
            false => Answer::no_such_name(),
        }
    }
}

/// What comes of a future that never waits, as all those do that ask canned answers alone.
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("canned answers are there at once"),
    }
}

impl Dns for Canned {
    async fn ask(&self, question: Question) -> Answer {
        let answer = self.answer(&question);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() < ASKED_MAX {
            asked.push(question);
        }
        drop(asked);
        answer
    }
}
