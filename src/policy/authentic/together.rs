//! Waiting for two answers at the same time, without a task for either.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// What comes of both futures; the first is looked at first.
pub async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|context| {
        look(&mut a, &mut of_a, context);
        look(&mut b, &mut of_b, context);
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Looks after a future that has not ended yet.
fn look<F: Future>(
    future: &mut Pin<&mut F>,
    output: &mut Option<F::Output>,
    context: &mut Context<'_>,
) {
    if output.is_none()
        && let Poll::Ready(found) = future.as_mut().poll(context)
    {
        *output = Some(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::task::Waker;

    #[test]
    fn neither_waits_for_the_other() {
        let steps = RefCell::new(Vec::new());
        let takes = |name: &'static str, mut rounds: u32| {
            let steps = &steps;
            poll_fn(move |_| {
                steps.borrow_mut().push(name);
                rounds -= 1;
                match rounds {
                    0 => Poll::Ready(name),
                    _ => Poll::Pending,
                }
            })
        };
        let mut all = pin!(both(takes("a", 2), takes("b", 3)));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(all.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(all.as_mut().poll(&mut context), Poll::Ready(("a", "b")));
        assert_eq!(*steps.borrow(), ["a", "b", "a", "b", "b"]);
    }
}
